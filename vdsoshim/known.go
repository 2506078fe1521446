package vdsoshim

import "encoding/hex"

// A KnownAnswer is a published key stream of ChaCha20 with a nonce of zeros.
type KnownAnswer struct {
	Name    string
	Key     [32]byte
	Counter uint64
	Stream  []byte // its first 64 bytes
}

// KnownAnswers returns the vectors of RFC 8439, appendix A.1, and of
// draft-strombergson-chacha-test-vectors-01 for 256-bit keys and 20 rounds,
// as far as their nonce is zero and they say something new.
func KnownAnswers() []KnownAnswer {
	var out []KnownAnswer
	for _, a := range []struct {
		name, key string
		counter   uint64
		stream    string
	}{
		{"RFC 8439 A.1 #1", "0000000000000000000000000000000000000000000000000000000000000000", 0,
			"76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7" +
				"da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"},
		{"RFC 8439 A.1 #2", "0000000000000000000000000000000000000000000000000000000000000000", 1,
			"9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed" +
				"29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"},
		{"RFC 8439 A.1 #3", "0000000000000000000000000000000000000000000000000000000000000001", 1,
			"3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a" +
				"8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0"},
		{"RFC 8439 A.1 #4", "00ff000000000000000000000000000000000000000000000000000000000000", 2,
			"72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca" +
				"13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096"},
		{"Strombergson TC2", "0100000000000000000000000000000000000000000000000000000000000000", 0,
			"c5d30a7ce1ec119378c84f487d775a8542f13ece238a9455e8229e888de85bbd" +
				"29eb63d0a17a5b999b52da22be4023eb07620a54f6fa6ad8737b71eb0464dac0"},
	} {
		k := KnownAnswer{Name: a.name, Counter: a.counter}
		hex.Decode(k.Key[:], []byte(a.key))
		k.Stream, _ = hex.DecodeString(a.stream)
		out = append(out, k)
	}
	return out
}
