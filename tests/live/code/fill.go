// The same as fill.c in Go.
package main

import "time"

const row = 30000

var rows [][]byte

//go:noinline
func load(count int) {
	for i := 0; i < count; i++ {
		rows = append(rows, filled(byte(i+1)))
	}
}

//go:noinline
func filled(value byte) []byte {
	made := make([]byte, row)
	for at := 0; at < row; at += 512 {
		made[at] = value
	}
	return made
}

//go:noinline
func cache() {
	made := make([]byte, row)
	for at := 0; at < row; at += 512 {
		made[at] = 9
	}
	rows = append(rows, made)
}

func main() {
	for turn := 0; ; turn++ {
		load(3)
		cache()
		if turn == (8<<20)/120000 || turn == (60<<20)/120000 {
			time.Sleep(500 * time.Millisecond)
		}
	}
}
