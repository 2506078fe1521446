package integration

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// print prints the table, and below it the first lines that differ of each cell.
func (b *behaviours) print() {
	width := 0
	for _, row := range b.order {
		width = max(width, len(row))
	}
	line := fmt.Sprintf("%-*s", width, "")
	for _, c := range b.columns {
		line += "  " + pad(c.name)
	}
	fmt.Println(strings.TrimRight(line, " "))
	sums, reasons := map[string]int{}, map[string]int{}
	var below []string
	for _, row := range b.order {
		if len(b.cells[row]) == 0 {
			continue // left out by -run
		}
		line := fmt.Sprintf("%-*s", width, row)
		for _, c := range append(b.columns, column{name: native}) {
			cell := b.cells[row][c.name]
			if c.name != native {
				line += "  " + pad(cell.word)
				sums[cell.word]++
			}
			switch cell.word {
			case "", "same":
			case "n/a":
				reasons[row+": "+cell.more]++
			default:
				below = append(below, row+", "+c.name+": "+cell.word+" "+firstLines(cell.more, 3))
			}
		}
		fmt.Println(strings.TrimRight(line, " "))
	}
	fmt.Printf("\n%s: every call is reflected (-p all-calls)\n%s: auto, by a user without privilege\n", allCalls, asNobody)
	for _, r := range slices.Sorted(maps.Keys(reasons)) {
		fmt.Println("n/a in", reasons[r], r)
	}
	for _, l := range below {
		fmt.Println(l)
	}
	delete(sums, "")
	for _, w := range slices.Sorted(maps.Keys(sums)) {
		fmt.Printf("%d %s, ", sums[w], w)
	}
}

// pad makes a cell as wide as a column.
func pad(s string) string { return fmt.Sprintf("%-10s", s) }

// firstLines are the first n lines of a text, in one.
func firstLines(text string, n int) string {
	lines := strings.SplitN(text, "\n", n+1)
	return strings.Join(lines[:min(n, len(lines))], " | ")
}
