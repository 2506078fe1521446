package results

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// WriteJSON writes a run: a line for what it says of itself, then one for each
// figure, with every sample.
func (r *Run) WriteJSON(w io.Writer) error {
	head := *r
	head.Schema, head.Figures = Schema, []Figure{}
	begin, err := encode(&head)
	if err != nil {
		return err
	}
	// Figures are the last field, so an empty list of them ends what comes before.
	begin, ok := bytes.CutSuffix(begin, []byte("]}"))
	if !ok {
		return fmt.Errorf("a run's encoding ends in %q", begin[max(0, len(begin)-8):])
	}
	b := bufio.NewWriter(w)
	b.Write(begin)
	for i := range r.Figures {
		line, err := encode(&r.Figures[i])
		if err != nil {
			return fmt.Errorf("%s: %w", r.Figures[i].Key(), err)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
		b.Write(line)
	}
	b.WriteString("\n]}\n")
	return b.Flush()
}

func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), err
}

// ReadJSON reads what WriteJSON wrote.
func ReadJSON(r io.Reader) (*Run, error) {
	var run Run
	d := json.NewDecoder(r)
	if err := d.Decode(&run); err != nil {
		return nil, fmt.Errorf("not the results of a reflect bench: %w", err)
	}
	switch {
	case run.Schema == 0:
		return nil, fmt.Errorf("not the results of a reflect bench: no schema")
	case run.Schema > Schema:
		return nil, fmt.Errorf("schema %d was written by a newer reflect, this one reads up to %d", run.Schema, Schema)
	}
	return &run, nil
}
