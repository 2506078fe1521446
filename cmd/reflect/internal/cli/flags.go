package cli

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrHelp is returned by Parse for -h and --help.
var ErrHelp = errors.New("help requested")

// Flags are the flags of one command, in the order in which help lists them.
type Flags struct {
	list []*Flag
	// First ends flags at the first word that is none. Otherwise they may stand
	// among the arguments, up to a "--".
	First bool
}

// A Flag is one of them. Its usage names its value in back quotes.
type Flag struct {
	Name, Short string // without dashes; Short is empty or one letter
	Usage       string
	Default     string
	// Bare is what the flag means where it stands without a value; "" if it needs
	// one. A value can then be given only by "=".
	Bare string
	// Complete returns the values to offer, and whether files can follow; files
	// alone where nil.
	Complete func() (words []string, files bool)

	value valueKind
	set   func(string) error
}

type valueKind int

const (
	text valueKind = iota
	boolean
	list
)

// String makes a flag whose value is kept in p.
func (f *Flags) String(p *string, name, short, value, usage string) *Flag {
	*p = value
	return f.add(&Flag{Name: name, Short: short, Usage: usage, Default: value, set: func(s string) error { *p = s; return nil }})
}

// Strings makes a flag that can be given more than once.
func (f *Flags) Strings(p *[]string, name, short, usage string) *Flag {
	return f.add(&Flag{Name: name, Short: short, Usage: usage, value: list, set: func(s string) error { *p = append(*p, s); return nil }})
}

// Bool makes a flag that is true where it is given.
func (f *Flags) Bool(p *bool, name, short, usage string) *Flag {
	return f.add(&Flag{Name: name, Short: short, Usage: usage, Bare: "true", value: boolean, set: func(s string) (err error) {
		*p, err = strconv.ParseBool(s)
		return err
	}})
}

func (f *Flags) add(flag *Flag) *Flag {
	f.list = append(f.list, flag)
	return flag
}

// All returns the flags.
func (f *Flags) All() []*Flag { return f.list }

// Words offers fixed values to complete.
func (f *Flag) Words(words ...string) *Flag {
	f.Complete = func() ([]string, bool) { return words, false }
	return f
}

func (f *Flag) String() string {
	if f.Short != "" {
		return "-" + f.Short + ", --" + f.Name
	}
	return "--" + f.Name
}

func (f *Flags) long(name string) *Flag {
	for _, flag := range f.list {
		if flag.Name == name {
			return flag
		}
	}
	return nil
}

func (f *Flags) short(letter string) *Flag {
	for _, flag := range f.list {
		if flag.Short == letter {
			return flag
		}
	}
	return nil
}

// Parse sets the flags that args give, and returns the other words.
func (f *Flags) Parse(args []string) (rest []string, err error) {
	for len(args) > 0 {
		word := args[0]
		switch {
		case word == "--":
			return append(rest, args[1:]...), nil
		case strings.HasPrefix(word, "--"):
			args, err = f.parseLong(word[2:], args[1:])
		case len(word) > 1 && word[0] == '-':
			args, err = f.parseShort(word[1:], args[1:])
		case f.First:
			return args, nil
		default:
			rest, args = append(rest, word), args[1:]
		}
		if err != nil {
			return nil, err
		}
	}
	return rest, nil
}

func (f *Flags) parseLong(word string, args []string) ([]string, error) {
	name, value, given := strings.Cut(word, "=")
	flag := f.long(name)
	switch {
	case flag == nil && name == "help":
		return nil, ErrHelp
	case flag == nil:
		return nil, fmt.Errorf("unknown flag: --%s", name)
	case given:
	case flag.Bare != "":
		value = flag.Bare
	case len(args) == 0:
		return nil, fmt.Errorf("flag needs an argument: --%s", name)
	default:
		value, args = args[0], args[1:]
	}
	return args, flag.take(value)
}

// parseShort reads -abc, -p value, -pvalue and -p=value.
func (f *Flags) parseShort(letters string, args []string) ([]string, error) {
	for rest := letters; rest != ""; {
		letter := rest[:1]
		rest = rest[1:]
		flag := f.short(letter)
		value, given := strings.CutPrefix(rest, "=")
		switch {
		case flag == nil && letter == "h":
			return nil, ErrHelp
		case flag == nil:
			return nil, fmt.Errorf("unknown shorthand flag: %q in -%s", letter[0], letters)
		case given:
			rest = ""
		case flag.Bare != "":
			value = flag.Bare
		case rest != "":
			value, rest = rest, ""
		case len(args) == 0:
			return nil, fmt.Errorf("flag needs an argument: %q in -%s", letter[0], letters)
		default:
			value, args = args[0], args[1:]
		}
		if err := flag.take(value); err != nil {
			return nil, err
		}
	}
	return args, nil
}

func (f *Flag) take(value string) error {
	// A variable of a shell that is not set, more often than not. A list's values
	// have parsers of their own, which say more.
	if value == "" && f.value == text {
		return fmt.Errorf("flag needs an argument: --%s", f.Name)
	}
	if err := f.set(value); err != nil {
		return fmt.Errorf("invalid argument %q for %s: %w", value, f, errors.Unwrap(err))
	}
	return nil
}
