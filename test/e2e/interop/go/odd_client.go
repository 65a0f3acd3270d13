package main

import (
	"bytes"
	"crypto/tls"
	"flag"
	"fmt"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// tunneler is a raw connection that asks for tunnels to one target.
type tunneler struct {
	*rawConn
	target string
	next   uint32
}

// oddCase does something unusual and answers what came of it in a word or two.
type oddCase struct {
	name     string
	settings []http2.Setting
	run      func(t *tunneler) string
}

// oddClient runs every case on a connection of its own. After each a usual tunnel on the same connection shows whether it lives.
func oddClient(flags *flag.FlagSet, args []string) error {
	proxy := flags.String("proxy", "", "host:port of the tunnel's server")
	target := flags.String("target", "", "authority to ask for; an application that answers every byte with itself")
	security := addTlsFlags(flags)
	flags.Parse(args)
	config, _, err := security.config(false)
	if err != nil {
		return err
	}
	for _, odd := range oddClientCases {
		connection, err := tls.Dial("tcp", *proxy, config)
		if err != nil {
			return err
		}
		client := &tunneler{newRawConn(connection), *target, 1}
		if _, err := connection.Write([]byte(http2.ClientPreface)); err != nil {
			return err
		}
		client.write(func(framer *http2.Framer) error { return framer.WriteSettings(odd.settings...) })
		go client.read()
		outcome := odd.run(client)
		report(struct {
			Name    string `json:"name"`
			Outcome string `json:"outcome"`
			Lives   bool   `json:"lives"`
		}{odd.name, outcome, client.echoes(100) == "echoed"})
		connection.Close()
	}
	return nil
}

var oddClientCases = []oddCase{
	{"data with the request", nil, func(t *tunneler) string {
		id := t.connect(http2.HeadersFrameParam{})
		t.data(id, true, []byte("early"))
		return t.echoed(id, "early")
	}},
	{"priorities and unknown frames", nil, func(t *tunneler) string {
		t.write(func(framer *http2.Framer) error {
			for stream := uint32(3); stream < 13; stream += 2 {
				framer.WritePriority(stream, http2.PriorityParam{StreamDep: 0, Weight: 200})
			}
			framer.WriteRawFrame(0x10, 0, 0, []byte("\x00\x00\x00\x01u=2"))
			return framer.WriteRawFrame(0xbe, 0xff, 0, bytes.Repeat([]byte{7}, 100))
		})
		id := t.connect(http2.HeadersFrameParam{Priority: http2.PriorityParam{StreamDep: 0, Exclusive: true, Weight: 1}})
		t.write(func(framer *http2.Framer) error { return framer.WriteRawFrame(0xbe, 1, id, []byte("on a stream")) })
		t.data(id, true, []byte("still"))
		return t.echoed(id, "still")
	}},
	{"an indexed header table that changes its size", []http2.Setting{{ID: http2.SettingHeaderTableSize, Val: 1 << 20}}, func(t *tunneler) string {
		for round := range 40 {
			if round%8 == 0 {
				t.encoder.SetMaxDynamicTableSize(uint32(512 * (round % 16)))
			}
			if outcome := t.echoes(50, field("x-round", fmt.Sprint(round)), field("x-same", strings.Repeat("s", 300))); outcome != "echoed" {
				return outcome
			}
		}
		return "echoed"
	}},
	{"sixty unknown headers over CONTINUATION frames", nil, func(t *tunneler) string {
		return t.echoes(50, manyFields(60, 500)...)
	}},
	{"a header list over the limit", nil, func(t *tunneler) string {
		return t.status(manyFields(100, 900)...)
	}},
	{"a header block over the limit", nil, func(t *tunneler) string {
		return t.status(manyFields(100, 1500)...)
	}},
	{"two hundred headers", nil, func(t *tunneler) string {
		return t.status(manyFields(200, 10)...)
	}},
	{"requests given up at once", nil, func(t *tunneler) string {
		for range 50 {
			id := t.connect(http2.HeadersFrameParam{})
			t.write(func(framer *http2.Framer) error { return framer.WriteRSTStream(id, http2.ErrCodeCancel) })
		}
		return t.echoes(50)
	}},
	{"a tunnel reset while it lives", nil, func(t *tunneler) string {
		id := t.connect(http2.HeadersFrameParam{})
		t.data(id, false, []byte("abc"))
		if !t.until(func() bool { return t.streamOf(id).data.Len() == 3 }) {
			return t.describe(id)
		}
		t.write(func(framer *http2.Framer) error { return framer.WriteRSTStream(id, http2.ErrCodeCancel) })
		return "reset"
	}},
	{"trailers", nil, func(t *tunneler) string {
		id := t.connect(http2.HeadersFrameParam{})
		t.data(id, false, []byte("with trailers"))
		t.headers(http2.HeadersFrameParam{StreamID: id, EndStream: true}, field("x-checksum", "1"))
		return t.echoed(id, "with trailers")
	}},
	{"padding", nil, func(t *tunneler) string {
		id := t.connect(http2.HeadersFrameParam{PadLength: 200})
		t.write(func(framer *http2.Framer) error {
			framer.WriteDataPadded(id, false, []byte("pad"), make([]byte, 255))
			framer.WriteDataPadded(id, false, nil, make([]byte, 10))
			return framer.WriteDataPadded(id, true, []byte("ded"), make([]byte, 1))
		})
		return t.echoed(id, "padded")
	}},
	{"nothing to say", nil, func(t *tunneler) string {
		id := t.connect(http2.HeadersFrameParam{EndStream: true})
		return t.echoed(id, "")
	}},
	{"a window of one byte that grows", []http2.Setting{{ID: http2.SettingInitialWindowSize, Val: 1}}, func(t *tunneler) string {
		t.credit = func(stream uint32, size int) {
			if size > 0 {
				t.giveCredit(stream, size*3)
			}
		}
		return t.echoes(20_000)
	}},
	{"settings that change on the way", nil, func(t *tunneler) string {
		id := t.connect(http2.HeadersFrameParam{})
		for _, window := range []uint32{0, 100_000, 5, 1 << 20} {
			t.write(func(framer *http2.Framer) error {
				return framer.WriteSettings(
					http2.Setting{ID: http2.SettingInitialWindowSize, Val: window},
					http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0},
					http2.Setting{ID: 0xfe, Val: 7})
			})
			t.data(id, false, []byte("x"))
		}
		t.data(id, true, nil)
		return t.echoed(id, "xxxx")
	}},
	{"PING", nil, func(t *tunneler) string {
		t.write(func(framer *http2.Framer) error { return framer.WritePing(false, [8]byte{1, 2, 3}) })
		if !t.until(func() bool { return t.pongs > 0 }) {
			return "no answer"
		}
		return "answered"
	}},
	{"GOAWAY while a tunnel lives", nil, func(t *tunneler) string {
		id := t.connect(http2.HeadersFrameParam{})
		t.data(id, false, []byte("before "))
		t.write(func(framer *http2.Framer) error { return framer.WriteGoAway(0, http2.ErrCodeNo, []byte("bye")) })
		t.data(id, true, []byte("after"))
		return t.echoed(id, "before after")
	}},
	{"GET", nil, func(t *tunneler) string {
		return t.answer(field(":method", "GET"), field(":scheme", "https"), field(":authority", t.target), field(":path", "/"))
	}},
	{"CONNECT with scheme and path", nil, func(t *tunneler) string {
		return t.answer(field(":method", "CONNECT"), field(":scheme", "https"), field(":authority", t.target), field(":path", "/"))
	}},
	{"CONNECT for WebSockets", nil, func(t *tunneler) string {
		return t.answer(field(":method", "CONNECT"), field(":protocol", "websocket"), field(":scheme", "https"), field(":authority", t.target), field(":path", "/"))
	}},
	{"no authority", nil, func(t *tunneler) string {
		return t.answer(field(":method", "CONNECT"))
	}},
	{"an authority that is no address", nil, func(t *tunneler) string {
		return t.answer(field(":method", "CONNECT"), field(":authority", "not an address"))
	}},
	{"an authority of somebody else", nil, func(t *tunneler) string {
		return t.answer(field(":method", "CONNECT"), field(":authority", "192.0.2.1:80"))
	}},
	{"a port of the node agent", nil, func(t *tunneler) string {
		return t.answer(field(":method", "CONNECT"), field(":authority", strings.Split(t.target, ":")[0]+":15008"))
	}},
	{"an upper-case header", nil, func(t *tunneler) string {
		return t.status(field("X-Upper", "1"))
	}},
	{"a header of HTTP/1", nil, func(t *tunneler) string {
		return t.status(field("connection", "keep-alive"))
	}},
	{"HTTP/1 in place of frames", nil, func(t *tunneler) string {
		t.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
		t.until(func() bool { return t.closed != nil })
		return t.describe(0)
	}},
}

func (t *tunneler) connect(options http2.HeadersFrameParam, more ...hpack.HeaderField) uint32 {
	options.StreamID = t.next
	t.next += 2
	t.headers(options, append([]hpack.HeaderField{field(":method", "CONNECT"), field(":authority", t.target)}, more...)...)
	return options.StreamID
}

// echoes sends bytes through a new tunnel.
func (t *tunneler) echoes(size int, more ...hpack.HeaderField) string {
	id := t.connect(http2.HeadersFrameParam{}, more...)
	payload := strings.Repeat("0123456789", size/10)
	t.data(id, true, []byte(payload))
	return t.echoed(id, payload)
}

// echoed waits for a tunnel to end and compares what it brought.
func (t *tunneler) echoed(id uint32, want string) string {
	complete := t.until(func() bool {
		stream := t.streamOf(id)
		return stream.ended || stream.reset != nil
	})
	t.mutex.Lock()
	stream := t.streamOf(id)
	isWhole := complete && stream.status() == 200 && stream.ended && stream.reset == nil && stream.data.String() == want
	t.mutex.Unlock()
	if isWhole {
		return "echoed"
	}
	return t.describe(id)
}

// status is how a CONNECT with these headers is answered.
func (t *tunneler) status(more ...hpack.HeaderField) string {
	return t.answer(append([]hpack.HeaderField{field(":method", "CONNECT"), field(":authority", t.target)}, more...)...)
}

func (t *tunneler) answer(fields ...hpack.HeaderField) string {
	id := t.next
	t.next += 2
	t.headers(http2.HeadersFrameParam{StreamID: id}, fields...)
	t.until(func() bool {
		stream := t.streamOf(id)
		return stream.blocks > 0 || stream.reset != nil || t.goaway != nil
	})
	outcome := t.describe(id)
	t.write(func(framer *http2.Framer) error { return framer.WriteRSTStream(id, http2.ErrCodeCancel) })
	return outcome
}

func manyFields(count, size int) []hpack.HeaderField {
	fields := make([]hpack.HeaderField, count)
	for index := range fields {
		fields[index] = field(fmt.Sprintf("x-unknown-%d", index), strings.Repeat("0", size))
	}
	return fields
}
