package policy

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Load reads sources and lays them over each other, as Merge does. A source
// with a slash is a file's path, any other is the name of a preset; no source
// at all means the preset default. The error is an Errors, with what is wrong
// in all of the sources.
func Load(sources ...string) (*Plan, error) {
	if len(sources) == 0 || len(sources) == 1 && sources[0] == defaultPreset {
		p := defaultPlan
		return &p, nil
	}
	policies := make([]*Policy, len(sources))
	var errs Errors
	for i, s := range sources {
		p, err := Open(s)
		if err != nil {
			var es Errors
			if !errors.As(err, &es) {
				return nil, err
			}
			errs = append(errs, es...)
		}
		policies[i] = p
	}
	if err := errs.err(); err != nil {
		return nil, err
	}
	return Merge(policies...)
}

// Open reads one source, a preset's name or a file's path.
func Open(source string) (*Policy, error) {
	text, name, err := Source(source)
	if err != nil {
		return nil, err
	}
	return Parse(name, text)
}

// Source returns the text of a source and the name that positions in it have.
func Source(source string) (text []byte, name string, err error) {
	if !strings.Contains(source, "/") {
		p, e := lookupPreset(source)
		if e != nil {
			return nil, "", Errors{e}
		}
		return []byte(p.Source), "preset " + source, nil
	}
	text, err = readFile(source)
	if err != nil {
		e := failf("%s: %v", source, reason(err)).wrap(err)
		if errors.Is(err, fs.ErrNotExist) {
			_ = e.hint("a policy is a file's path, with a slash, or a preset: %s", strings.Join(presetNames(), ", "))
		}
		return nil, "", Errors{e}
	}
	return text, source, nil
}

// readFile reads a little more than a policy may have, so that Parse sees that
// it is too large, and no more: the path may name a device or a pipe.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxSize+1))
}

// reason is an error without the path and the name of the call.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
