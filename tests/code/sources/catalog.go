package main

import "syscall"

type catalog struct{ rows []uint64 }

//go:noinline
func (c *catalog) fill() {
	for at := range c.rows {
		c.rows[at] = c.rows[at]*31 + 7
	}
}

//go:noinline
func load(c *catalog) {
	for at := 0; at < 1000; at++ {
		c.fill()
	}
}

func main() {
	c := &catalog{rows: make([]uint64, 1<<14)}
	syscall.Write(1, []byte("ready\n"))
	for {
		load(c)
	}
}
