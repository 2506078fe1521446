// Command web serves HTTP on a port of its own choice until its standard input
// ends; it prints the address first.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(125)
	}
	fmt.Println("http://" + l.Addr().String())
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		io.WriteString(w, "Hello, "+r.URL.Path+"\n")
	})
	go http.Serve(l, nil)
	io.Copy(io.Discard, os.Stdin)
}
