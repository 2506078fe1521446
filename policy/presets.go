package policy

import (
	"embed"
	"os"
	"path"
	"strings"
)

//go:embed presets/*.yaml
var presetFiles embed.FS

const defaultPreset = "default"

// A Preset is a policy that comes with the program.
type Preset struct {
	Name        string
	Description string
	Source      string // YAML
}

// Presets returns all presets, default first, then by name.
func Presets() []Preset {
	var out []Preset
	for _, name := range presetNames() {
		p, e := lookupPreset(name)
		if e != nil {
			continue // a test proves that there is none
		}
		parsed, err := Parse("preset "+name, []byte(p.Source))
		if err == nil {
			p.Description = parsed.Description
		}
		out = append(out, p)
	}
	return out
}

func presetNames() []string {
	names := []string{defaultPreset}
	files, err := presetFiles.ReadDir("presets")
	if err != nil {
		return names
	}
	for _, f := range files {
		if name := strings.TrimSuffix(f.Name(), ".yaml"); name != defaultPreset {
			names = append(names, name)
		}
	}
	return names
}

func lookupPreset(name string) (Preset, *Error) {
	text, err := presetFiles.ReadFile(path.Join("presets", name+".yaml"))
	if err == nil {
		return Preset{Name: name, Source: string(text)}, nil
	}
	e := failf("unknown preset %q", name).wrap(ErrUnknown)
	if _, err := os.Stat(name); err == nil && name != "" {
		return Preset{}, e.hint("a file's path has a slash: ./%s", name)
	}
	if near := nearest(name, presetNames()); near != "" {
		return Preset{}, e.hint("did you mean %s? presets: %s; a file's path has a slash", near, strings.Join(presetNames(), ", "))
	}
	return Preset{}, e.hint("presets: %s; a file's path has a slash", strings.Join(presetNames(), ", "))
}

// defaultPlan is what presets/default.yaml comes to, as a test proves. Every
// run without a policy begins with it, so it is static data.
var defaultPlan = Plan{Rules: []Rule{
	{Nr: 96, Name: "gettimeofday", Action: Action{Kind: Shim}, Pos: defaultPos},
	{Nr: 201, Name: "time", Action: Action{Kind: Shim}, Pos: defaultPos},
	{Nr: 228, Name: "clock_gettime", Action: Action{Kind: Shim}, Pos: defaultPos},
	{Nr: 229, Name: "clock_getres", Action: Action{Kind: Shim}, Pos: defaultPos},
	{Nr: 309, Name: "getcpu", Action: Action{Kind: Shim}, Pos: defaultPos},
	{Nr: 318, Name: "getrandom", Action: Action{Kind: Shim}, Pos: defaultPos},
}}

var defaultPos = Pos{File: "preset default", Line: 7, Column: 5}
