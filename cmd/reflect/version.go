//go:build linux && amd64

package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/sysreflect/sysreflect/cmd/reflect/internal/cli"
)

func versionCommand() *cli.Command {
	return &cli.Command{
		Use:   "version",
		Short: "print the version",
		Args:  cli.NoArgs,
		Run: func(*cli.Command, []string) error {
			_, err := fmt.Fprintf(os.Stdout, "reflect %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// version is the module's version, or the commit that the binary was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown)"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	revision, modified := "(devel)", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "+modified"
		}
	}
	return revision + modified
}
