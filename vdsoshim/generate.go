package vdsoshim

//go:generate go run ./internal/build
