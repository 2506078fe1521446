// Command build makes the shim's image from the sources in vdsoshim/shim with
// gcc and GNU ld, and writes it and its layout, as Go constants and as a header for
// C. All are committed, so that nobody needs a C compiler to build the rest; the output
// is the same bit for bit wherever gcc and binutils are the same.
//
//	go run ./internal/build            # in vdsoshim: write the files
//	go run ./internal/build -check     # fail if they would change
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	src := flag.String("src", "shim", "folder of the C and assembly sources")
	out := flag.String("o", ".", "folder to write to")
	check := flag.Bool("check", false, "compare with the files in the folder, write nothing")
	flag.Parse()
	if err := run(*src, *out, *check); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func run(src, out string, check bool) error {
	tmp, err := os.MkdirTemp("", "shim")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	b := builder{src: src, tmp: tmp}
	image, layout, header, err := b.build()
	if err != nil {
		return err
	}
	var errs []error
	for name, content := range map[string][]byte{"image.elf": image, "layout_amd64.go": layout, "layout.h": header} {
		path := filepath.Join(out, name)
		if !check {
			errs = append(errs, os.WriteFile(path, content, 0o644))
			continue
		}
		old, err := os.ReadFile(path)
		if err == nil && !bytes.Equal(old, content) {
			err = fmt.Errorf("%s differs from what the sources give with this compiler (the committed one is Debian 12's gcc 12.2)", path)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
