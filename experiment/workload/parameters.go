package workload

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Parameter stands in a command as {NAME} and takes several values.
type Parameter struct {
	Name   string
	Values []string
}

// ParseList reads NAME=V1,V2,… as a parameter.
func ParseList(text string) (Parameter, error) {
	name, values, ok := strings.Cut(text, "=")
	if !ok || values == "" {
		return Parameter{}, fmt.Errorf("%q is not NAME=VALUE,VALUE", text)
	}
	p := Parameter{name, strings.Split(values, ",")}
	return p, p.check()
}

// mostValues bounds a scan, whose step may have been meant otherwise.
const mostValues = 1000

// ParseScan reads NAME=FIRST:LAST or NAME=FIRST:LAST:STEP.
func ParseScan(text string) (Parameter, error) {
	name, rest, ok := strings.Cut(text, "=")
	parts := strings.Split(rest, ":")
	if !ok || len(parts) < 2 || len(parts) > 3 {
		return Parameter{}, fmt.Errorf("%q is not NAME=FIRST:LAST or NAME=FIRST:LAST:STEP", text)
	}
	numbers := []float64{0, 0, 1}
	decimals := 0
	for i, part := range parts {
		v, err := strconv.ParseFloat(part, 64)
		if err != nil || math.IsInf(v, 0) || math.IsNaN(v) {
			return Parameter{}, fmt.Errorf("%q: %q is not a number", text, part)
		}
		numbers[i] = v
		if _, fraction, ok := strings.Cut(part, "."); ok {
			decimals = max(decimals, len(fraction))
		}
	}
	first, last, step := numbers[0], numbers[1], numbers[2]
	if step <= 0 || last < first {
		return Parameter{}, fmt.Errorf("%q has no values: STEP must be above 0 and LAST not below FIRST", text)
	}
	n := math.Floor((last-first)/step+1e-9) + 1
	if n > mostValues {
		return Parameter{}, fmt.Errorf("%q has more than %d values", text, mostValues)
	}
	p := Parameter{Name: name}
	for i := range int(n) {
		p.Values = append(p.Values, strconv.FormatFloat(first+float64(i)*step, 'f', decimals, 64))
	}
	return p, p.check()
}

func (p *Parameter) check() error {
	switch {
	case p.Name == "" || strings.ContainsAny(p.Name, "{} \t\n/="):
		return fmt.Errorf("%q is no name for a parameter", p.Name)
	case p.Name == Of:
		return errors.New("a parameter can't be called " + Of + ": figures have one of that name")
	}
	return nil
}

// Combinations returns all combinations of the parameters' values, those of the
// last one next to each other; one without any where there are no parameters.
func Combinations(parameters []Parameter) ([]map[string]string, error) {
	out := []map[string]string{{}}
	for _, p := range parameters {
		var next []map[string]string
		for _, c := range out {
			if _, ok := c[p.Name]; ok {
				return nil, fmt.Errorf("parameter %s is given twice", p.Name)
			}
			for _, v := range p.Values {
				with := map[string]string{p.Name: v}
				for k, v := range c {
					with[k] = v
				}
				next = append(next, with)
			}
		}
		out = next
	}
	return out, nil
}

// Substitute puts values in the place of {NAME}.
func Substitute(text string, values map[string]string) string {
	var pairs []string
	for k, v := range values {
		pairs = append(pairs, "{"+k+"}", v)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}
