package policy

import (
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// This file looks at the text itself, for what the YAML reader does not tell.

// quoted is the source of a double-quoted string from its opening quote to
// some place behind its end; the token itself holds only what it means.
func (s *source) quoted(t *token.Token) string {
	p := s.pos(t)
	line := []rune(s.lineText(p.Line))
	text := string(line[min(p.Column-1, len(line)):])
	if !strings.HasPrefix(text, `"`) {
		return ""
	}
	for i := p.Line; i < len(s.lines) && i < p.Line+strings.Count(t.Value, "\n")+16; i++ {
		text += "\n" + s.lines[i]
	}
	return text[1:]
}

// badEscape refuses escapes that YAML does not have, which the reader would
// take for something.
func badEscape(quoted string) *Error {
	for i := 0; i < len(quoted); i++ {
		if quoted[i] == '"' {
			break
		}
		if quoted[i] != '\\' {
			continue
		}
		i++
		if i == len(quoted) {
			break
		}
		if !strings.ContainsRune("0abtnvfre \"/\\N_LPxuU\t\r\n", rune(quoted[i])) {
			return failf("unknown escape \\%s in a double-quoted string", printable([]rune(quoted[i:])[:1])).hint("single quotes take everything as it is: '…'")
		}
		digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[quoted[i]]
		for range digits {
			i++
			if i >= len(quoted) || !strings.ContainsRune("0123456789abcdefABCDEF", rune(quoted[i])) {
				return failf("incomplete escape in a double-quoted string")
			}
		}
	}
	return nil
}

func invalidUTF8(text []byte) int {
	for off := 0; off < len(text); {
		r, n := utf8.DecodeRune(text[off:])
		if r == utf8.RuneError && n == 1 {
			return off
		}
		off += n
	}
	return -1
}
