//go:build !race

package main

var fileReader = readerCommand
