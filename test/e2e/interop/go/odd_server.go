package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// oddServing answers every tunnel by echoing, in its own way. number counts the tunnels of the whole server, from 1.
type oddServing struct {
	settings []http2.Setting
	// begin is called before anything is sent.
	begin func(c *rawConn)
	// answer is called for each request; the usual one is 200.
	answer func(c *rawConn, id uint32, number int)
	// echo sends back what came; end is set with the last of it.
	echo func(c *rawConn, id uint32, payload []byte, end bool)
}

// oddServer serves mutual TLS on a port; a case says what is odd about it. It reports every request.
func oddServer(flags *flag.FlagSet, args []string) error {
	address := flags.String("listen", ":15008", "where")
	name := flags.String("case", "", "what to do")
	security := addTlsFlags(flags)
	flags.Parse(args)
	serving, known := oddServings[*name]
	if !known {
		return fmt.Errorf("unknown case %q", *name)
	}
	config, _, err := security.config(true)
	if err != nil {
		return err
	}
	listener, err := tls.Listen("tcp", *address, config)
	if err != nil {
		return err
	}
	report(event{"listening"})
	tunnels := make(chan int, 1)
	tunnels <- 0
	for number := 1; ; number++ {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go serveOddly(connection, serving, number, tunnels)
	}
}

func serveOddly(connection net.Conn, serving oddServing, number int, tunnels chan int) {
	defer connection.Close()
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(connection, preface); err != nil {
		return
	}
	raw := newRawConn(connection)
	raw.onFrame = func(frame http2.Frame) {
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			count := <-tunnels + 1
			tunnels <- count
			report(struct {
				event
				Connection int `json:"connection"`
			}{event{"connect"}, number})
			if serving.answer != nil {
				serving.answer(raw, frame.StreamID, count)
			} else {
				raw.headers(http2.HeadersFrameParam{StreamID: frame.StreamID}, field(":status", "200"))
			}
		case *http2.DataFrame:
			raw.mutex.Lock()
			stream := raw.streamOf(frame.StreamID)
			payload := strings.Clone(stream.data.String())
			stream.data.Reset()
			isReset := stream.reset != nil
			raw.mutex.Unlock()
			// What crossed our reset has nobody to go to.
			if isReset {
				return
			}
			if serving.echo != nil {
				serving.echo(raw, frame.StreamID, []byte(payload), frame.StreamEnded())
			} else {
				raw.data(frame.StreamID, frame.StreamEnded(), []byte(payload))
			}
		}
	}
	if serving.begin != nil {
		serving.begin(raw)
	}
	raw.write(func(framer *http2.Framer) error { return framer.WriteSettings(serving.settings...) })
	raw.read()
}

func respond(c *rawConn, id uint32, status string, end bool, more ...hpack.HeaderField) {
	c.headers(http2.HeadersFrameParam{StreamID: id, EndStream: end}, append([]hpack.HeaderField{field(":status", status)}, more...)...)
}

func reset(c *rawConn, id uint32, code http2.ErrCode) {
	c.mutex.Lock()
	c.streamOf(id).reset = &code
	c.mutex.Unlock()
	c.write(func(framer *http2.Framer) error { return framer.WriteRSTStream(id, code) })
}

func goAway(c *rawConn, last uint32) {
	c.write(func(framer *http2.Framer) error { return framer.WriteGoAway(last, http2.ErrCodeNo, nil) })
}

var oddServings = map[string]oddServing{
	"settings come late": {begin: func(*rawConn) { time.Sleep(300 * time.Millisecond) }},
	"interim answers": {answer: func(c *rawConn, id uint32, _ int) {
		respond(c, id, "100", false)
		respond(c, id, "103", false, field("link", "</style.css>; rel=preload"))
		respond(c, id, "200", false)
	}},
	"trailers": {echo: func(c *rawConn, id uint32, payload []byte, end bool) {
		c.data(id, false, payload)
		if end {
			c.headers(http2.HeadersFrameParam{StreamID: id, EndStream: true}, field("x-close", "0"))
		}
	}},
	"priorities and unknown frames": {answer: func(c *rawConn, id uint32, _ int) {
		c.write(func(framer *http2.Framer) error {
			framer.WritePriority(id, http2.PriorityParam{Weight: 9})
			framer.WriteRawFrame(0xa, 0, 0, []byte("\x00\x00h2=\":443\""))
			framer.WriteRawFrame(0xc, 0, 0, []byte("\x00\x03abc"))
			return framer.WriteRawFrame(0xee, 0xff, id, []byte("what"))
		})
		respond(c, id, "200", false)
	}},
	"an indexed header table that changes its size": {
		settings: []http2.Setting{{ID: http2.SettingHeaderTableSize, Val: 1 << 20}},
		answer: func(c *rawConn, id uint32, number int) {
			if number%5 == 0 {
				c.encoder.SetMaxDynamicTableSize(uint32(number%10) * 400)
			}
			respond(c, id, "200", false, field("server", strings.Repeat("s", 200)), field("x-number", fmt.Sprint(number)))
		},
	},
	"a window of one byte that grows": {
		settings: []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 1}},
		begin: func(c *rawConn) {
			c.credit = func(stream uint32, size int) {
				if size > 0 {
					c.giveCredit(stream, size*3)
				}
			}
		},
	},
	"one byte a frame, padded": {echo: func(c *rawConn, id uint32, payload []byte, end bool) {
		c.write(func(framer *http2.Framer) error {
			for index := range payload {
				if err := framer.WriteDataPadded(id, false, payload[index:index+1], []byte{0}); err != nil {
					return err
				}
			}
			if end {
				return framer.WriteData(id, true, nil)
			}
			return nil
		})
	}},
	"the first stream is refused": {answer: func(c *rawConn, id uint32, number int) {
		if number == 1 {
			reset(c, id, http2.ErrCodeRefusedStream)
			return
		}
		respond(c, id, "200", false)
	}},
	"a graceful GOAWAY under way": {answer: func(c *rawConn, id uint32, _ int) {
		respond(c, id, "200", false)
		if id == 1 {
			goAway(c, 1<<31-1)
			time.AfterFunc(200*time.Millisecond, func() { goAway(c, 1000) })
		}
	}},
	"GOAWAY that takes the first stream only": {
		answer: func(c *rawConn, id uint32, _ int) {
			if id == 1 {
				respond(c, id, "200", false)
				goAway(c, id)
			}
		},
		echo: func(c *rawConn, id uint32, payload []byte, end bool) {
			if id == 1 {
				c.data(id, end, payload)
			}
		},
	},
	"reset without an error after the end": {echo: func(c *rawConn, id uint32, payload []byte, end bool) {
		c.data(id, end, payload)
		if end {
			reset(c, id, http2.ErrCodeNo)
		}
	}},
	"reset with an error": {echo: func(c *rawConn, id uint32, _ []byte, _ bool) {
		reset(c, id, http2.ErrCodeInternal)
	}},
	"a refusal with words": {answer: func(c *rawConn, id uint32, _ int) {
		respond(c, id, "429", false, field("retry-after", "1"))
		c.data(id, true, []byte("come back later"))
	}},
	"a promise": {answer: func(c *rawConn, id uint32, _ int) {
		c.write(func(framer *http2.Framer) error {
			return framer.WritePushPromise(http2.PushPromiseParam{StreamID: id, PromiseID: 2, EndHeaders: true})
		})
		respond(c, id, "200", false)
	}},
	"an answer with too many headers": {answer: func(c *rawConn, id uint32, _ int) {
		respond(c, id, "200", false, manyFields(100, 400)...)
	}},
	"no answer in HTTP": {begin: func(c *rawConn) {
		c.Write([]byte("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"))
	}},
	"no CONNECT but its own request": {answer: func(c *rawConn, id uint32, _ int) {
		c.headers(http2.HeadersFrameParam{StreamID: 2}, field(":method", "CONNECT"), field(":authority", "10.10.1.20:9200"))
		respond(c, id, "200", false)
	}},
}
