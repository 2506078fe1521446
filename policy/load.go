package policy

// Load reads sources and lays them over each other, as Merge does. A source
// with a slash is a file's path, any other is the name of a preset; no source
// at all means the preset default.
func Load(sources ...string) (*Plan, error) {
	if len(sources) == 0 || len(sources) == 1 && sources[0] == "default" {
		p := defaultPlan
		return &p, nil
	}
	policies := make([]*Policy, len(sources))
	for i, s := range sources {
		p, err := Open(s)
		if err != nil {
			return nil, err
		}
		policies[i] = p
	}
	return Merge(policies...)
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

// Open reads one source.
func Open(source string) (*Policy, error) {
	return nil, failf("unknown preset %q", source).wrap(ErrUnknown)
}
