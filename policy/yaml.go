package policy

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	// MaxSize is the size of the largest policy file.
	MaxSize = 64 << 10
	// maxDepth is how deep brackets, lists and mappings may be nested. The
	// format needs four; the YAML reader takes time that grows with the square.
	maxDepth = 8
	// maxKeys is how many keys a file may have, for the same reason; a file
	// of the largest size has room for half as many that make sense.
	maxKeys = 8192
	// maxErrors is how many errors of one source are collected.
	maxErrors = 20
)

// A source is the text of a policy while it is being read.
type source struct {
	name  string
	lines []string
	errs  Errors
}

// parseYAML returns the one mapping that the text must be, or nil with errors.
// What a policy has no use for (aliases, tags, several documents) is refused
// among the tokens, before anything is built of them.
func (s *source) parseYAML(text []byte) *ast.MappingNode {
	if len(text) > MaxSize {
		s.fail(nil, failf("the file is larger than %d KiB", MaxSize>>10))
		return nil
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if off := invalidUTF8(text); off >= 0 {
		s.lines = strings.Split(string(text), "\n")
		line := 1 + bytes.Count(text[:off], []byte("\n"))
		col := 1 + utf8.RuneCount(text[bytes.LastIndexByte(text[:off], '\n')+1:off])
		s.failAt(Pos{s.name, line, col}, failf("the file is no UTF-8 text"))
		return nil
	}
	s.lines = strings.Split(strings.ReplaceAll(strings.ReplaceAll(string(text), "\r\n", "\n"), "\r", "\n"), "\n")
	file, err := readYAML(string(text), s)
	if len(s.errs) > 0 {
		return nil
	}
	if err != nil {
		s.syntax(err)
		return nil
	}
	var body ast.Node
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		if body != nil {
			s.fail(d.Body.GetToken(), failf("a second document").hint("a policy file is one YAML document; -p may be given more than once"))
			return nil
		}
		body = d.Body
	}
	switch n := body.(type) {
	case nil:
		s.failAt(Pos{s.name, 1, 1}, failf("the file is empty").hint("the least that a policy says is: version: 1"))
		return nil
	case *ast.MappingNode:
		return n
	}
	s.fail(start(body), failf("a policy is a mapping, not %s", describe(body)).hint("it begins with: version: 1"))
	return nil
}

// readYAML runs the YAML library, which is known to panic on some malformed
// input; that is an error of the file's, not the end of the program.
func readYAML(text string, s *source) (f *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			f, err = nil, fmt.Errorf("the YAML reader can't make sense of this file (%v)", p)
		}
	}()
	tokens := lexer.Tokenize(text)
	if !s.checkTokens(tokens) {
		return nil, nil
	}
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// checkTokens refuses what a policy has no use for.
func (s *source) checkTokens(tokens token.Tokens) bool {
	depth, dashes, keys, line, ended := 0, 0, 0, 0, false
	content := false
	for _, t := range tokens {
		if t.Position == nil {
			continue
		}
		if t.Position.Line != line {
			line, dashes = t.Position.Line, 0
		}
		if ended && t.Type != token.CommentType && t.Type != token.DocumentEndType {
			s.fail(t, failf("text after the end of the document").hint("a policy file is one YAML document"))
			return false
		}
		switch t.Type {
		case token.InvalidType:
			s.invalid(t)
			return false
		case token.AnchorType, token.AliasType:
			s.fail(t, failf("anchors and aliases (&name, *name) are not allowed").hint("write it out; the same rule for several calls is a list: calls: [a, b]"))
			return false
		case token.MergeKeyType:
			s.fail(t, failf("merge keys (<<) are not allowed").hint("write the keys out; policies are laid over each other by giving -p more than once"))
			return false
		case token.TagType:
			s.fail(t, failf("tags (%s) are not allowed", printable([]rune(t.Value))))
			return false
		case token.DirectiveType:
			s.fail(t, failf("directives (%%) are not allowed"))
			return false
		case token.MappingKeyType:
			s.fail(t, failf("explicit keys (?) are not allowed").hint("write key: value"))
			return false
		case token.DocumentHeaderType:
			if content {
				s.fail(t, failf("a second document").hint("a policy file is one YAML document; -p may be given more than once"))
				return false
			}
			content = true
		case token.DocumentEndType:
			ended = true
		case token.CommentType:
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType:
			dashes++
		case token.MappingValueType:
			keys++
		case token.DoubleQuoteType:
			if e := badEscape(s.quoted(t)); e != nil {
				s.fail(t, e)
				return false
			}
		}
		if t.Type != token.CommentType {
			content = true
		}
		if keys > maxKeys {
			s.fail(t, failf("more than %d keys", maxKeys))
			return false
		}
		if depth > maxDepth || dashes > maxDepth || t.Position.IndentLevel > 2*maxDepth {
			s.fail(t, failf("nested too deeply"))
			return false
		}
	}
	return true
}

// invalid reports a token that the lexer could not read.
func (s *source) invalid(t *token.Token) {
	msg := t.Error
	if msg == "" {
		msg = "unreadable text"
	}
	s.fail(t, explainSyntax(msg, s.lineText(t.Position.Line), t.Position.Column))
}

// syntax reports an error of the YAML reader.
func (s *source) syntax(err error) {
	var at interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if !errors.As(err, &at) {
		s.fail(nil, failf("%s", printable([]rune(firstLine(err.Error())))))
		return
	}
	t := at.GetToken()
	if t == nil || t.Position == nil {
		s.fail(nil, failf("%s", at.GetMessage()))
		return
	}
	s.fail(t, explainSyntax(at.GetMessage(), s.lineText(t.Position.Line), t.Position.Column))
}

// explainSyntax adds to a message of the YAML reader what a reader of policies
// needs to know.
func explainSyntax(msg, line string, column int) *Error {
	e := failf("%s", printable([]rune(firstLine(msg))))
	switch {
	case strings.Contains(msg, "'@'"):
		e.Msg = "a set must stand in quotes: @ means something else to YAML"
		return e.hint("for example \"@time\"")
	case strings.Contains(msg, "'\t'"):
		e.Msg = "a tab can't indent"
		return e.hint("YAML indents by spaces")
	case strings.Contains(msg, "mapping value is not allowed"):
		return e.hint("a mapping within a line stands in braces: do: {errno: ENOSYS}; text with a colon stands in quotes")
	}
	return e
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

// pos is where a token begins. The reader's columns are wrong after some
// strings of several lines, so they are kept within the file.
func (s *source) pos(t *token.Token) Pos {
	if t == nil || t.Position == nil {
		return Pos{File: s.name}
	}
	line := min(max(t.Position.Line, 1), max(len(s.lines), 1))
	col := min(max(t.Position.Column, 1), utf8.RuneCountInString(s.lineText(line))+1)
	return Pos{s.name, line, col}
}

func (s *source) lineText(line int) string {
	if line < 1 || line > len(s.lines) {
		return ""
	}
	return s.lines[line-1]
}

func (s *source) fail(t *token.Token, e *Error) { s.failAt(s.pos(t), e) }

func (s *source) failAt(p Pos, e *Error) {
	e.Pos, e.line = p, s.lineText(p.Line)
	if len(s.errs) < maxErrors {
		s.errs = append(s.errs, e)
	}
}

// describe names the type of a node in a message.
func describe(n ast.Node) string {
	switch n.(type) {
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "nothing"
	case *ast.BoolNode:
		return "true or false"
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return "a number"
	}
	return "text"
}
