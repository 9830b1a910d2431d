// A program of Go that dying.py has killed: dying MEMORY_CURRENT BYTES PAUSED SEEN
package main

import (
	"os"
	"strconv"
	"strings"
	"time"
)

var kept [][]byte

func take() {
	one := make([]byte, 256<<10)
	for at := 0; at < len(one); at += 4096 {
		one[at] = 1
	}
	kept = append(kept, one)
}

func used() int {
	said, _ := os.ReadFile(os.Args[1])
	found, _ := strconv.Atoi(strings.TrimSpace(string(said)))
	return found
}

func main() {
	enough, _ := strconv.Atoi(os.Args[2])
	for used() < enough {
		take()
	}
	os.WriteFile(os.Args[3], nil, 0o644)
	time.Sleep(3 * time.Second)
	for {
		if _, err := os.Stat(os.Args[4]); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	for {
		take()
	}
}
