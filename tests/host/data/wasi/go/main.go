// A command that tells what Go's library makes of the world, one line for each observation.
// tests/host/data/wasi/check compares it with common.txt and go.txt, which follow from the
// specification. The first argument says what to do.
package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

//go:wasmimport wasi_snapshot_preview1 poll_oneoff
//go:noescape
func pollOneoff(wanted, events unsafe.Pointer, count uint32, happened *uint32) uint32

//go:wasmimport wasi_snapshot_preview1 clock_time_get
//go:noescape
func clockTimeGet(clock uint32, precision uint64, time *uint64) uint32

func tell(format string, values ...any) { fmt.Printf(format+"\n", values...) }

// The number of an error of WASI, 0 if there is none, and -1 for one of Go's own.
func number(err error) int {
	var errno syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &errno):
		return int(errno)
	}
	return -1
}

func common() {
	buffer := make([]byte, 300000)
	length, _ := os.Stdin.Read(buffer[:3])
	tell("stdin: first %d bytes: %s", length, buffer[:length])
	var line strings.Builder
	for {
		if length, err := os.Stdin.Read(buffer[:1]); length != 1 || err != nil || buffer[0] == '\n' {
			break
		}
		line.WriteByte(buffer[0])
	}
	tell("stdin: then byte by byte: %s", line.String())
	rest, _ := io.ReadAll(os.Stdin)
	tell("stdin: then all there is: %d bytes, the last %02x", len(rest), rest[len(rest)-1])
	one, _ := os.Stdin.Read(buffer[:1])
	many, _ := os.Stdin.Read(buffer)
	tell("stdin: past its end: %d and %d bytes", one, many)
	fmt.Print("args:")
	for _, argument := range os.Args {
		fmt.Printf(" [%s]", argument)
	}
	fmt.Print("\nenviron:")
	for _, variable := range os.Environ() {
		fmt.Printf(" [%s]", variable)
	}
	home := "missing"
	if _, there := os.LookupEnv("HOME"); there {
		home = "there"
	}
	tell("\nenviron: HOME is %s", home)

	begun := time.Now()
	tell("realtime: begins at %d s", begun.Unix())
	time.Sleep(5 * time.Second)
	// Without its monotonic part.
	tell("realtime: goes on by %d s in a sleep of 5 s", int(time.Now().Round(0).Sub(begun.Round(0)).Seconds()))
	tell("monotonic: goes on by %d s in a sleep of 5 s", int(time.Since(begun).Seconds()))
	back, then := 0, time.Duration(0)
	for look := 0; look < 1000; look++ {
		now := time.Since(begun)
		if now < then {
			back++
		}
		then = now
	}
	tell("monotonic: goes back %d times in 1000 looks", back)

	if _, err := rand.Read(nil); err == nil {
		tell("random: of no bytes: no error")
	}
	drawn := make([]byte, 100000)
	rand.Read(drawn)
	values := map[byte]bool{}
	for _, value := range drawn {
		values[value] = true
	}
	tell("random: %d values in 100000 bytes", len(values))
	runtime.Gosched()
	tell("yield: comes back")
}

func library() {
	errorOf := func(_ any, err error) int { return number(err) }
	tell("open a file: %d", errorOf(os.Open("/etc/passwd")))
	tell("create a file: %d", errorOf(os.Create("new")))
	tell("read a directory: %d", errorOf(os.ReadDir(".")))
	tell("stat: %d", errorOf(os.Stat("/")))
	tell("mkdir: %d", number(os.Mkdir("new", 0o700)))
	tell("rename: %d", number(os.Rename("a", "b")))
	tell("link: %d", number(os.Link("a", "b")))
	tell("symlink: %d", number(os.Symlink("a", "b")))
	tell("readlink: %d", errorOf(os.Readlink("a")))
	tell("remove: %d", number(os.Remove("a")))
	tell("seek on stdin: %d", errorOf(os.Stdin.Seek(0, io.SeekStart)))
	tell("read at a place of stdin: %d", errorOf(os.Stdin.ReadAt(make([]byte, 9), 0)))
	tell("write at a place of stdout: %d", errorOf(os.Stdout.WriteAt([]byte("x"), 0)))
	tell("read on stdout: %d", errorOf(os.Stdout.Read(make([]byte, 9))))
	tell("write on stdin: %d", errorOf(os.Stdin.Write([]byte("x"))))
	tell("sync of stdout: %d", number(os.Stdout.Sync()))
	tell("truncate stdout: %d", number(os.Stdout.Truncate(0)))
	tell("close 3: %d", number(syscall.Close(3)))

	// Go's own network reaches the program itself and nobody else, without a call.
	network, err := net.DialTimeout("tcp", "192.0.2.1:80", time.Second)
	tell("dial: %v, %v", network, err != nil)
	_, err = net.LookupHost("example.com")
	tell("look up a name: %v", err != nil)
	_, err = net.FileConn(os.Stdin)
	tell("take stdin for a connection: %v", err != nil)
	_, err = os.StartProcess("/bin/true", nil, &os.ProcAttr{})
	tell("start a process: %v", err != nil)

	// Several wait, each for its time: the shortest comes first, and nobody waits twice.
	begun, done := time.Now(), make(chan int)
	for _, seconds := range []int{3, 1, 2} {
		go func() {
			time.Sleep(time.Duration(seconds) * time.Second)
			done <- seconds
		}()
	}
	tell("sleepers: %d %d %d after %d s", <-done, <-done, <-done, int(time.Since(begun).Seconds()))
	select {
	case <-done:
	case <-time.After(time.Hour):
		tell("a timer: after %d h", int(time.Since(begun).Hours()))
	}

	var wanted, events [64]byte
	var happened uint32
	var now uint64
	tell("poll of nothing: %d", pollOneoff(unsafe.Pointer(&wanted), unsafe.Pointer(&events), 0, &happened))
	tell("no such clock: %d", clockTimeGet(77, 0, &now))
}

func main() {
	what := ""
	if len(os.Args) > 1 {
		what = os.Args[1]
	}
	switch what {
	case "end":
		code, _ := strconv.Atoi(os.Args[3])
		if os.Args[2] == "panic" {
			panic("on purpose")
		}
		os.Exit(code)
	case "random":
		drawn := make([]byte, 32)
		rand.Read(drawn)
		tell("%x", drawn)
	case "large":
		line := []byte(strings.Repeat("x", 1<<20-1) + "\n")
		if length, err := os.Stdout.Write(line); length != 1<<20 || err != nil {
			os.Exit(1)
		}
		fmt.Fprint(os.Stderr, "to stderr\nand more")
	default:
		common()
		library()
	}
}
