//go:build linux && amd64

package main

import (
	"encoding/json"
	"io"

	"github.com/sysreflect/sysreflect/supervisor"
)

// writeStats writes what a run has counted.
func writeStats(w io.Writer, format string, c supervisor.Counters) error {
	if format == "json" {
		// Lists that are empty, not null.
		c.Calls = append([]supervisor.CallCount{}, c.Calls...)
		c.Missed = append([]supervisor.Missed{}, c.Missed...)
		return writeJSON(w, c)
	}
	return c.WriteText(w)
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
