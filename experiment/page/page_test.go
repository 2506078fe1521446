package page

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sysreflect/sysreflect/experiment/results"
)

// calls is a run as `reflect bench` makes it, with names that want escaping.
func calls() *results.Run {
	rng := rand.New(rand.NewPCG(1, 2))
	r := &results.Run{Schema: results.Schema, Command: []string{"reflect", "bench", "<b>&'\"", "a b"}, When: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Machine: results.Machine{Kernel: "6.18.0", CPU: "AMD <EPYC> & \"Co\"", CPUs: 2, TSCHz: 2.5e9, Mitigations: map[string]string{"spectre_v2": "Mitigation: <x>"},
			PolicyText: "version: 1\nrules: <none>\n\x01"},
		Noise: results.Noise{How: "twice", Value: 0.01}, Notes: []string{"a <note>"}, LeftOut: []results.LeftOut{{Way: "sud", Why: "not <here>"}}}
	add := func(subject, way string, center float64, params map[string]string) *results.Figure {
		f := results.Figure{Subject: subject, Way: way, Unit: "ns/op", Params: params, Group: "g"}
		if way != "native" {
			f.Baseline = "native"
		}
		for range 60 {
			f.Samples = append(f.Samples, center*(1+0.01*rng.NormFloat64()+0.03*rng.ExpFloat64()))
		}
		r.Figures = append(r.Figures, f)
		return &r.Figures[len(r.Figures)-1]
	}
	costs := map[string]float64{"native": 110, "native-again": 110, "kernel-vdso": 1.7, "patch": 0.8, "notify": 6500, "ptrace-all": 25000}
	for _, way := range []string{"native", "native-again", "kernel-vdso", "patch", "notify", "ptrace-all"} {
		f := add("null", way, costs[way], nil)
		f.Histogram = &results.Histogram{Scale: 0.4}
		for range 1000 {
			f.Histogram.Record(uint64(costs[way] * (1 + rng.ExpFloat64()/5) / 0.4))
		}
		f.Steps = []results.Step{{Name: "entry", What: "a <less> b", Cost: costs[way] / 3, Lo: costs[way] / 4, Hi: costs[way] / 2}, {Name: "rest", What: "c", Cost: 2 * costs[way] / 3}}
	}
	for _, n := range []string{"4", "16", "64", "256", "1024", "4096"} {
		for _, way := range []string{"native", "patch", "notify"} {
			add("getrandom", way, costs[way]+float64(len(n)*len(n)*20), map[string]string{"bytes": n})
		}
	}
	r.Figures = append(r.Figures, results.Figure{Subject: "memory", Way: "native", Unit: "B", Params: map[string]string{"of": "program"}, Samples: []float64{104448, 104448, 110592}},
		results.Figure{Subject: "memory", Way: "patch", Unit: "B", Params: map[string]string{"of": "program"}, Samples: []float64{151552, 151552, 151552}, Baseline: "native"})
	return r
}

// programs is a run as `reflect bench workload` and all-calls make it.
func programs(names ...string) *results.Run {
	rng := rand.New(rand.NewPCG(3, 4))
	r := calls()
	r.Figures = nil
	r.Noise.By = map[string]float64{}
	for i, name := range names {
		for _, w := range []struct {
			way    string
			factor float64
		}{{"native", 1}, {"none", 1.1}, {"patch", 1.13}, {"trap", 1.8}, {"sud", 1.7}, {"notify", 2.6}, {"ptrace", 9.5}, {"ptrace-all", 23}, {"native-again", 1}} {
			for _, of := range []string{"wall", "cpu", "user", "memory"} {
				f := results.Figure{Subject: "workload:" + name, Way: w.way, Unit: "ms", Params: map[string]string{"of": of}, Group: name, Samples: []float64{}}
				if w.way != "native" && (of == "wall" || of == "cpu") {
					f.Baseline = "native"
				}
				for range 15 {
					f.Samples = append(f.Samples, float64(10+i)*w.factor*(1+0.02*rng.ExpFloat64()))
				}
				r.Figures = append(r.Figures, f)
			}
		}
	}
	return r
}

// pages are all kinds of pages.
func pages(t *testing.T) map[string]string {
	out := map[string]string{}
	for name, run := range map[string]*results.Run{
		"bench": calls(), "workload": programs("git <status> 'x'"), "all-calls": both(calls(), programs("compile a file of C", "git status", "git log -p", "walk a tree of files", "sqlite3: fill and index a table", "python3: import modules", "redis: 10000 requests by loopback")),
		"empty": {Command: []string{"reflect", "bench"}},
		"few":   few3(),
	} {
		var b bytes.Buffer
		if err := Write(&b, run); err != nil {
			t.Fatal(err)
		}
		out[name] = b.String()
	}
	var b bytes.Buffer
	after := calls()
	after.Machine.Kernel = "7.0.0 <rc>"
	for i := range after.Figures {
		for j := range after.Figures[i].Samples {
			after.Figures[i].Samples[j] *= 1 + float64(i%5)/10
		}
	}
	if err := WriteCompared(&b, calls(), after, "a<.json", "b.json"); err != nil {
		t.Fatal(err)
	}
	out["compare"] = b.String()
	return out
}

func both(a, b *results.Run) *results.Run {
	a.Figures = append(a.Figures, b.Figures...)
	return a
}

// few3 has samples that strain axes: one, equal ones, zero, negative ones.
func few3() *results.Run {
	r := &results.Run{Command: []string{"reflect", "bench"}, Interrupted: true}
	for i, samples := range [][]float64{{5}, {7, 7, 7, 7, 7, 7, 7}, {0, 0, 0, 0, 0, 0}, {-1, 0, 1, 2, -2, 3}, {1e-3, 1e9}, {}} {
		r.Figures = append(r.Figures,
			results.Figure{Subject: fmt.Sprint("odd", i), Way: "native", Unit: "ns/op", Samples: samples},
			results.Figure{Subject: fmt.Sprint("odd", i), Way: "patch", Unit: "ns/op", Samples: samples, Baseline: "native"})
	}
	return r
}

var svgs = regexp.MustCompile(`(?s)<svg.*?</svg>\n`)

// Each SVG is XML that any parser takes, and says in words what it shows.
func TestWellFormed(t *testing.T) {
	for name, page := range pages(t) {
		n := 0
		for _, svg := range svgs.FindAllString(page, -1) {
			// Inner ones end without a line: what was found is whole.
			if err := parseXML(svg); err != nil {
				t.Fatalf("%s: %v in\n%s", name, err, svg)
			}
			n++
		}
		if n == 0 && name != "empty" {
			t.Errorf("%s: no chart", name)
		}
		for _, row := range regexp.MustCompile(`<svg class="(row|plane)"[^>]*>`).FindAllString(page, -1) {
			if !strings.Contains(row, `aria-label="`) || strings.Contains(row, `aria-label=""`) {
				t.Errorf("%s: a chart that says nothing to who can't see it: %s", name, row)
			}
		}
		if err := parseXML("<html>" + between2(page, "<body>", "</body>") + "</html>"); err != nil {
			t.Errorf("%s: the body is not well formed: %v", name, err)
		}
		if strings.Contains(page, "NaN") || strings.Contains(page, "Inf%") || strings.Contains(page, "-0 ") {
			t.Errorf("%s: a number that is none: %q", name, regexp.MustCompile(`.{30}(NaN|Inf%|-0 ).{10}`).FindString(page))
		}
	}
}

func between2(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

func parseXML(text string) error {
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// A page refers to nothing: no address, no script, no other file.
func TestSelfContained(t *testing.T) {
	for name, page := range pages(t) {
		for _, bad := range []string{"http:", "https:", "src=", "href=", "url(", "@import", "<script", "<link", "<img", "<iframe", "<b>&"} {
			if strings.Contains(page, bad) {
				t.Errorf("%s: %s", name, bad)
			}
		}
		for _, want := range []string{"<!DOCTYPE html>", `name="viewport"`, "prefers-color-scheme: dark", `charset="utf-8"`} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: no %s", name, want)
			}
		}
	}
}

// The answer stands before everything else, and names what it is about.
func TestAnswerFirst(t *testing.T) {
	p := pages(t)
	for name, want := range map[string]string{
		"bench": "takes 112 ns natively", "workload": "slower than native", "all-calls": "git status", "compare": "figures differ", "empty": "Nothing was compared",
	} {
		head, _, _ := strings.Cut(p[name], "</section>")
		if !strings.Contains(head, want) || strings.Contains(head, "<figure>") {
			t.Errorf("%s: %q is not in the answer:\n%s", name, want, between2(head, "<body>", "\x00"))
		}
	}
}

// Labels of axes keep clear of each other and stay in their plot, whatever the axis
// shows, from a small phone on.
func TestAxes(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 3000 {
		lo := math.Pow(10, 11*rng.Float64()-3)
		hi := min(1e13, lo*math.Pow(10, math.Pow(rng.Float64(), 3)*9)*1.001)
		log := rng.IntN(2) == 0
		unit := []string{"ns/op", "ms", "B", "calls"}[rng.IntN(4)]
		label := units(unit)
		if rng.IntN(3) == 0 {
			unit, label = "", times
		}
		if !log && rng.IntN(2) == 0 {
			lo, unit, label = -hi, "", percents
		}
		a := newAxis(lo, hi, log, unit, label)
		for _, width := range []float64{narrowest, 360, 700} {
			boxes := a.boxes(a.ticks, width)
			if !clear(boxes) {
				t.Fatalf("%v to %v %s, log %v: labels touch at %v pixels: %v", lo, hi, unit, log, width, boxes)
			}
			for i, b := range boxes {
				if b.left < -1 || b.right > width+1 {
					t.Fatalf("%v to %v %s: %q leaves the plot at %v pixels: %v", lo, hi, unit, label(a.ticks[i]), width, b)
				}
			}
		}
		if log && hi/lo > 2 && len(a.ticks) < 2 {
			t.Errorf("%v to %v %s: %d ticks", lo, hi, unit, len(a.ticks))
		}
		for i, v := range a.ticks {
			if p := a.at(v); p < 0 || p > 100 || i > 0 && p <= a.at(a.ticks[i-1]) {
				t.Fatalf("%v to %v: tick %v is at %v", lo, hi, v, p)
			}
		}
		up := a.up()
		for i := 1; i < len(up); i++ {
			if d := (a.at(up[i]) - a.at(up[i-1])) / 100 * plotHeight; d < 15 {
				t.Fatalf("%v to %v: ticks that go up are %v pixels apart", lo, hi, d)
			}
		}
	}
}

// Everything that is placed in percent lies within its plot.
func TestPlaces(t *testing.T) {
	for name, page := range pages(t) {
		for _, m := range regexp.MustCompile(` (?:x|x1|x2|y1|y2|width)="(-?[0-9.]+)%"`).FindAllStringSubmatch(page, -1) {
			var v float64
			if fmt.Sscan(m[1], &v); v < 0 || v > 100 {
				t.Errorf("%s: %s", name, m[0])
			}
		}
	}
}

var shots = flag.String("shots", "", "keep the pages and what the browser shows of them in this `directory`")

// A real browser draws the pages at the widths of a phone and of a desktop: nothing
// is wider than the window, no text of one line or label lies over another, and the
// answer is within the first screen.
func TestBrowser(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed: what it would draw is only tested by structure")
	}
	dir := *shots
	if dir == "" {
		dir = t.TempDir()
	}
	for name, page := range pages(t) {
		for _, size := range []string{"390,844", "1280,800"} {
			file := filepath.Join(dir, name+"-"+size+".html")
			if err := os.WriteFile(file, []byte(strings.Replace(page, "</body>", probe+"</body>", 1)), 0o644); err != nil {
				t.Fatal(err)
			}
			// A window is never narrower than 500 pixels; a frame is what it is told to be.
			width, height, _ := strings.Cut(size, ",")
			frame := filepath.Join(t.TempDir(), "frame.html")
			if err := os.WriteFile(frame, []byte(`<!DOCTYPE html><pre id="probe"></pre><iframe src="file://`+file+`" style="border:0;width:`+width+`px;height:`+height+
				`px"></iframe><script>onmessage = e => { document.getElementById("probe").textContent = e.data }</script>`), 0o644); err != nil {
				t.Fatal(err)
			}
			args := []string{"--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--user-data-dir=" + t.TempDir(), "--window-size=" + size}
			cmd := exec.Command(browser, append(args, "--virtual-time-budget=3000", "--dump-dom", "file://"+frame)...)
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("chromium: %v", err)
			}
			said := between2(string(out), `<pre id="probe">`, "</pre>")
			if !strings.HasPrefix(said, "looked at ") {
				t.Fatalf("%s at %s: the browser said %q", name, size, said)
			}
			if in := " in " + width + " by " + height; !strings.Contains(said, in) {
				t.Fatalf("not%s: %s", in, said)
			}
			if lines := strings.Split(strings.TrimSpace(said), "\n"); len(lines) > 1 {
				t.Errorf("%s at %s:\n%s", name, size, strings.Join(lines[1:min(len(lines), 12)], "\n"))
			}
			if *shots == "" {
				continue
			}
			for mode, flag := range map[string]string{"dark": "--blink-settings=preferredColorScheme=0", "light": "--blink-settings=preferredColorScheme=1"} {
				shot := filepath.Join(dir, name+"-"+size+"-"+mode+".png")
				if err := exec.Command(browser, append(args, flag, "--screenshot="+shot, "file://"+file)...).Run(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// probe asks the browser where texts are. A page has no script of its own.
const probe = `<script>
const bad = [];
const w = document.documentElement.clientWidth;
if (document.documentElement.scrollWidth > w) bad.push("the page is " + document.documentElement.scrollWidth + " wide, the window " + w);
const answer = document.querySelector(".answer").getBoundingClientRect();
if (answer.bottom > window.innerHeight) bad.push("the answer ends at " + answer.bottom + " of " + window.innerHeight);
const texts = [];
for (const e of document.querySelectorAll(".label b, .label small, .value, .axis text, .answer li > b, .answer p, figcaption strong, figcaption span, .legend li")) {
  const r = document.createRange(); r.selectNodeContents(e);
  for (const b of r.getClientRects()) if (b.width > 0 && b.height > 0) texts.push({ e: e, b: b, t: e.textContent });
}
for (const { b, t } of texts) if (b.left < -1 || b.right > w + 1) bad.push(t + " is cut: " + b.left + " to " + b.right);
texts.sort((x, y) => x.b.top - y.b.top);
for (let i = 0; i < texts.length; i++)
  for (let j = i + 1; j < texts.length && texts[j].b.top < texts[i].b.bottom - 2; j++) {
    const p = texts[i], q = texts[j];
    if (p.e === q.e || p.e.contains(q.e) || q.e.contains(p.e)) continue;
    if (Math.min(p.b.right, q.b.right) - Math.max(p.b.left, q.b.left) > 1 && Math.min(p.b.bottom, q.b.bottom) - Math.max(p.b.top, q.b.top) > 2)
      bad.push('"' + p.t + '" lies over "' + q.t + '"');
  }
parent.postMessage("looked at " + texts.length + " texts in " + innerWidth + " by " + innerHeight + "\n" + bad.join("\n"), "*");
</script>`
