package page

import "strconv"

// A markup is text that grows: HTML, and XML within SVG.
type markup struct{ b []byte }

// raw adds markup.
func (m *markup) raw(parts ...string) {
	for _, s := range parts {
		m.b = append(m.b, s...)
	}
}

// text adds text, escaped for both elements and attributes.
func (m *markup) text(s string) {
	for _, r := range s {
		switch {
		case r == '&':
			m.raw("&amp;")
		case r == '<':
			m.raw("&lt;")
		case r == '>':
			m.raw("&gt;")
		case r == '"':
			m.raw("&quot;")
		case r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r == 0xfffe || r == 0xffff:
			m.raw("\ufffd") // no character of XML's
		default:
			m.b = append(m.b, string(r)...)
		}
	}
}

// tag begins an element; attributes are pairs of name and value.
func (m *markup) tag(name string, attributes []string) {
	m.raw("<", name)
	for i := 0; i+1 < len(attributes); i += 2 {
		m.raw(" ", attributes[i], `="`)
		m.text(attributes[i+1])
		m.raw(`"`)
	}
}

// open opens an element.
func (m *markup) open(name string, attributes ...string) {
	m.tag(name, attributes)
	m.raw(">")
}

// end closes one.
func (m *markup) end(name string) { m.raw("</", name, ">\n") }

// leaf is an element of SVG that holds nothing.
func (m *markup) leaf(name string, attributes ...string) {
	m.tag(name, attributes)
	m.raw("/>")
}

// el is an element that holds text.
func (m *markup) el(name, text string, attributes ...string) {
	m.open(name, attributes...)
	m.text(text)
	m.raw("</", name, ">\n")
}

// pct is a place in percent.
func pct(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) + "%" }

func px(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
