// The same as fill.c in Go.
package main

import "time"

var rows [][]byte

//go:noinline
func load(count, size int) {
	for i := 0; i < count; i++ {
		rows = append(rows, filled(byte(i+1), size))
	}
}

//go:noinline
func filled(value byte, size int) []byte {
	made := make([]byte, size)
	for at := 0; at < size; at += 512 {
		made[at] = value
	}
	return made
}

//go:noinline
func cache(size int) {
	made := make([]byte, size)
	for at := 0; at < size; at += 512 {
		made[at] = 9
	}
	rows = append(rows, made)
}

func main() {
	taken, rests := 0, 8<<20
	for turn := 0; ; turn++ {
		size := (turn%7 + 5) << 13 // whole pages, as Go gives nothing else: no rhythm with the kernel's batches of 64
		load(3, size)
		cache(size)
		if taken += 4 * size; taken >= rests {
			time.Sleep(500 * time.Millisecond)
			rests = 60 << 20
			if taken >= rests {
				rests = 1 << 40
			}
		}
	}
}
