package policy

func warnings(p *Plan) []Warning { return nil }
