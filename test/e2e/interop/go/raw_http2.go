package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// How long one thing may take to happen.
const patience = 30 * time.Second

// rawStream is what has arrived on one stream.
type rawStream struct {
	fields []hpack.HeaderField
	blocks int
	data   bytes.Buffer
	ended  bool
	reset  *http2.ErrCode
}

func (s *rawStream) field(name string) string {
	for _, field := range s.fields {
		if field.Name == name {
			return field.Value
		}
	}
	return ""
}

func (s *rawStream) status() int {
	status, _ := strconv.Atoi(s.field(":status"))
	return status
}

// rawConn is one HTTP/2 connection, frame by frame: it sends whatever it is told and remembers whatever arrives. It does not
// mind flow control when it sends, so what it sends must fit the first window.
type rawConn struct {
	net.Conn
	framer  *http2.Framer
	writing sync.Mutex
	block   bytes.Buffer
	encoder *hpack.Encoder

	mutex    sync.Mutex
	changed  *sync.Cond
	streams  map[uint32]*rawStream
	settings map[http2.SettingID]uint32
	pongs    int
	goaway   *http2.ErrCode
	closed   error

	// onFrame is called for every frame after it was noted, in order.
	onFrame func(frame http2.Frame)
	// credit gives back what data took from the windows; nil gives all at once.
	credit func(stream uint32, size int)
}

func newRawConn(connection net.Conn) *rawConn {
	raw := &rawConn{
		Conn:     connection,
		framer:   http2.NewFramer(connection, connection),
		streams:  map[uint32]*rawStream{},
		settings: map[http2.SettingID]uint32{},
	}
	raw.framer.SetMaxReadFrameSize(1<<24 - 1)
	raw.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	raw.framer.MaxHeaderListSize = 1 << 20
	raw.encoder = hpack.NewEncoder(&raw.block)
	raw.changed = sync.NewCond(&raw.mutex)
	return raw
}

// write runs one or more writes of frames, one caller at a time.
func (c *rawConn) write(frames func(framer *http2.Framer) error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	// A connection that is gone says so where it is read.
	_ = frames(c.framer)
}

// read notes frames until the connection ends.
func (c *rawConn) read() {
	for {
		frame, err := c.framer.ReadFrame()
		c.mutex.Lock()
		var stream http2.StreamError
		switch {
		case errors.As(err, &stream):
			c.mutex.Unlock()
			continue
		case err != nil:
			c.closed = err
			c.changed.Broadcast()
			c.mutex.Unlock()
			return
		}
		c.note(frame)
		c.changed.Broadcast()
		c.mutex.Unlock()
		c.respond(frame)
		if c.onFrame != nil {
			c.onFrame(frame)
		}
	}
}

func (c *rawConn) note(frame http2.Frame) {
	stream := c.streamOf(frame.Header().StreamID)
	switch frame := frame.(type) {
	case *http2.MetaHeadersFrame:
		stream.fields = append(stream.fields, frame.Fields...)
		stream.blocks++
		stream.ended = stream.ended || frame.StreamEnded()
	case *http2.DataFrame:
		stream.data.Write(frame.Data())
		stream.ended = stream.ended || frame.StreamEnded()
	case *http2.RSTStreamFrame:
		code := frame.ErrCode
		stream.reset = &code
	case *http2.GoAwayFrame:
		code := frame.ErrCode
		c.goaway = &code
	case *http2.PingFrame:
		if frame.IsAck() {
			c.pongs++
		}
	case *http2.SettingsFrame:
		_ = frame.ForeachSetting(func(setting http2.Setting) error {
			c.settings[setting.ID] = setting.Val
			return nil
		})
	}
}

// respond does what every peer has to.
func (c *rawConn) respond(frame http2.Frame) {
	switch frame := frame.(type) {
	case *http2.SettingsFrame:
		if !frame.IsAck() {
			c.write(func(framer *http2.Framer) error { return framer.WriteSettingsAck() })
		}
	case *http2.PingFrame:
		if !frame.IsAck() {
			c.write(func(framer *http2.Framer) error { return framer.WritePing(true, frame.Data) })
		}
	case *http2.DataFrame:
		size := int(frame.Length)
		if c.credit != nil {
			c.credit(frame.StreamID, size)
		} else if size > 0 {
			c.giveCredit(frame.StreamID, size)
		}
	}
}

func (c *rawConn) giveCredit(stream uint32, size int) {
	c.write(func(framer *http2.Framer) error {
		if err := framer.WriteWindowUpdate(0, uint32(size)); err != nil {
			return err
		}
		return framer.WriteWindowUpdate(stream, uint32(size))
	})
}

func (c *rawConn) streamOf(id uint32) *rawStream {
	stream := c.streams[id]
	if stream == nil {
		stream = &rawStream{}
		c.streams[id] = stream
	}
	return stream
}

// until waits for a condition on what has arrived; false when it does not come, or the connection ends first.
func (c *rawConn) until(condition func() bool) bool {
	deadline := time.Now().Add(patience)
	timer := time.AfterFunc(patience, c.changed.Broadcast)
	defer timer.Stop()
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for !condition() {
		if c.closed != nil || time.Now().After(deadline) {
			return false
		}
		c.changed.Wait()
	}
	return true
}

// headers sends a header block, in CONTINUATION frames beyond 16 KiB. Options are those of the first frame.
func (c *rawConn) headers(options http2.HeadersFrameParam, fields ...hpack.HeaderField) {
	c.write(func(framer *http2.Framer) error {
		c.block.Reset()
		for _, field := range fields {
			if err := c.encoder.WriteField(field); err != nil {
				return err
			}
		}
		const size = 16 << 10
		all := c.block.Bytes()
		first := all[:min(size, len(all))]
		rest := all[len(first):]
		options.BlockFragment, options.EndHeaders = first, len(rest) == 0
		if err := framer.WriteHeaders(options); err != nil {
			return err
		}
		for len(rest) > 0 {
			part := rest[:min(size, len(rest))]
			rest = rest[len(part):]
			if err := framer.WriteContinuation(options.StreamID, len(rest) == 0, part); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *rawConn) data(stream uint32, end bool, payload []byte) {
	c.write(func(framer *http2.Framer) error { return framer.WriteData(stream, end, payload) })
}

func field(name, value string) hpack.HeaderField {
	return hpack.HeaderField{Name: name, Value: value}
}

// describe says how a stream ended: its status, or with what it was reset, or that the connection was closed.
func (c *rawConn) describe(id uint32) string {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	stream := c.streamOf(id)
	switch {
	case stream.status() != 0:
		return strconv.Itoa(stream.status())
	case stream.reset != nil:
		return stream.reset.String()
	case c.goaway != nil:
		return fmt.Sprintf("GOAWAY %s", c.goaway)
	case c.closed != nil:
		return "closed"
	}
	return "nothing"
}
