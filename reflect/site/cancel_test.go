package site

import (
	"bytes"
	"debug/elf"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

const (
	muslTest  = "8b07 85c0 7525 "
	glibcTest = "f30f1efa 8b07 a808 7525 "
	shuffled  = "4989fb 4889f0 4889d7 4889ce 4c89c2 4d89ca 4c8b442408 4c8b4c2410 4c895c2408 | 0f05 c3 90 90 0f0b"
)

// windowImage is a function at 0x10000 and callers behind it.
func windowImage(t *testing.T, function, callers string) (image, uint64) {
	t.Helper()
	b, off := code(t, function)
	b = append(b, bytes.Repeat([]byte{0xcc}, 0x80-len(b))...)
	c, _ := code(t, callers+" |")
	m := image{addr: 0x10000, code: append(b, c...), symbols: []imageSymbol{
		{"f", 0x10000, 0x80, elf.STT_FUNC}, {"g", 0x10080, uint64(len(c)), elf.STT_FUNC},
	}}
	return m, 0x10000 + uint64(off)
}

// TestCancelWindow: which cancellation windows can be gone around.
func TestCancelWindow(t *testing.T) {
	const call = "90 90 90 e878ffffff c3" // at 0x10083, its operand within a word
	for _, test := range []struct {
		name, function, callers string
		ok                      bool
	}{
		{"musl's", muslTest + shuffled, call, true},
		{"glibc's", glibcTest + shuffled, call, true},
		{"nobody calls it", muslTest + shuffled, "c3", false},
		{"two call it", muslTest + shuffled, call + " e872ffffff c3", false},
		{"a call across a word", muslTest + shuffled, "90 90 90 90 90 e876ffffff c3", true},
		{"data that looks like a call", muslTest + shuffled, "48b8 90e878ffffff0000 c3", false},
		{"it writes before the branch", "8907 85c0 7525 " + shuffled, call, false},
		{"it changes what it is given", "488b3f 85c0 7525 " + shuffled, call, false},
		{"no look", shuffled, call, false},
		{"two looks", "8b07 85c0 7529 85c0 7525 " + shuffled, call, false},
		{"a branch into it", muslTest + strings.Replace(shuffled, "c3 90 90", "75db c3", 1), call, false},
		{"a push in it", muslTest + "50 " + shuffled, call, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, site := windowImage(t, test.function, test.callers)
			m.symbols = append(m.symbols, imageSymbol{"__cp_begin", 0x10000, 0, 0}, imageSymbol{"__cp_end", site + 2, 0, 0})
			p, err := m.parse(t).Analyze(site)
			if !test.ok {
				if !errors.Is(err, &Refusal{Reason: CancelWindow}) {
					t.Errorf("%+v, %v", p, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			rules(t, p, 0, 1<<40, 0x7f1234567000)
		})
	}
}

// TestWindowStub: the stub looks at the number and at the thread's word, and leaves by
// the function unless it can serve.
func TestWindowStub(t *testing.T) {
	m, site := windowImage(t, muslTest+shuffled, "90 90 90 e878ffffff c3")
	p, err := m.parse(t).Analyze(site)
	if err != nil {
		t.Fatal(err)
	}
	const bias = 0x7f0000000000
	at := uint64(0x7f0000020000)
	stub, err := p.Stub(p.Options[0], bias, StubSpec{Addr: at, Entry: 0x12340, Table: 0x54320, Numbers: 480, Answered: 2})
	if err != nil {
		t.Fatal(err)
	}
	want, _ := code(t, "89f0 3de0010000 0f83f3fffeff 833c852043050001 0f86e5fffeff"+ // the number
		"8b07 85c0 0f85dbfffeff eb19 "+hex.EncodeToString(bytes.Repeat([]byte{0xcc}, 17))+"29000100007f0000"+ // the word
		"4989fb 4889f0 4889d7 4889ce 4c89c2 4d89ca 4c8b442408 4c8b4c2410 4c895c2408"+
		"488d0dc1fffeff 41bb40230100 41ffe3 |")
	if !bytes.Equal(stub.Code, want) {
		t.Errorf("% x\nnot\n% x", stub.Code, want)
	}
	if addr, code := p.Window(bias); addr != bias+0x10000 || !bytes.Equal(code, m.code[:site+2-0x10000]) {
		t.Errorf("window at %#x: %x", addr, code)
	}
}
