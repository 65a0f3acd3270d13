package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	rpc "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
	"istio.io/istio/pkg/workloadapi"
	"istio.io/istio/pkg/workloadapi/security"
)

// command is one line of standard input.
type command struct {
	// Op is open (a new stream; the one before is cancelled), request, or half-close.
	Op          string            `json:"op"`
	Type        string            `json:"type"`
	Subscribe   []string          `json:"subscribe"`
	Unsubscribe []string          `json:"unsubscribe"`
	Versions    map[string]string `json:"versions"`
	// Nonce makes the request an answer to a response; with a Reason it refuses it.
	Nonce  string `json:"nonce"`
	Reason string `json:"reason"`
}

// received is one response, its resources decoded with Istio's own types.
type received struct {
	event
	Type      string     `json:"type"`
	Nonce     string     `json:"nonce"`
	Resources []resource `json:"resources"`
	Removed   []string   `json:"removed"`
}

type resource struct {
	Name    string          `json:"name"`
	Version string          `json:"version"`
	Value   json.RawMessage `json:"value"`
	// Extensions are the names of what a workload or service carries beyond its fields; Istio's types cannot say what is in them.
	Extensions []string `json:"extensions"`
	// Unknown counts bytes of fields that Istio's types do not have.
	Unknown int `json:"unknown"`
}

type closed struct {
	event
	Code    string `json:"code"`
	Message string `json:"message"`
}

// adsClient speaks delta discovery as its standard input says and reports what the controller answers.
func adsClient(flags *flag.FlagSet, args []string) error {
	controller := addControllerFlags(flags)
	node := flags.String("node", "ztunnel~10.0.0.1~ztunnel-abcde.istio-system~istio-system.svc.cluster.local", "node id")
	flags.Parse(args)
	connection, err := controller.connect()
	if err != nil {
		return err
	}
	defer connection.Close()
	client := discovery.NewAggregatedDiscoveryServiceClient(connection)
	var stream *session
	defer func() { stream.close() }()
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var next command
		if err := json.Unmarshal(lines.Bytes(), &next); err != nil {
			return err
		}
		switch next.Op {
		case "open":
			stream.close()
			if stream, err = open(client, *node); err != nil {
				return err
			}
		case "request":
			err = stream.send(next)
		case "half-close":
			err = stream.stream.CloseSend()
		default:
			err = fmt.Errorf("unknown op %q", next.Op)
		}
		// A stream that has ended reports itself.
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	return lines.Err()
}

// session is one stream of discovery.
type session struct {
	stream discovery.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	cancel context.CancelFunc
	node   *core.Node
	done   chan struct{}
}

func open(client discovery.AggregatedDiscoveryServiceClient, node string) (*session, error) {
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := client.DeltaAggregatedResources(ctx, grpc.MaxCallRecvMsgSize(200<<20))
	if err != nil {
		cancel()
		return nil, err
	}
	metadata, err := structpb.NewStruct(map[string]any{"NAME": "ztunnel-abcde", "NAMESPACE": "istio-system", "NODE_NAME": "host-b"})
	if err != nil {
		cancel()
		return nil, err
	}
	opened := &session{stream, cancel, &core.Node{Id: node, Metadata: metadata}, make(chan struct{})}
	go opened.receive(ctx)
	return opened, nil
}

func (s *session) close() {
	if s == nil {
		return
	}
	s.cancel()
	<-s.done
}

// send tells who we are with the first request only, as the protocol allows.
func (s *session) send(next command) error {
	request := &discovery.DeltaDiscoveryRequest{
		Node:                     s.node,
		TypeUrl:                  "type.googleapis.com/" + next.Type,
		ResourceNamesSubscribe:   next.Subscribe,
		ResourceNamesUnsubscribe: next.Unsubscribe,
		InitialResourceVersions:  next.Versions,
		ResponseNonce:            next.Nonce,
	}
	if next.Reason != "" {
		request.ErrorDetail = &rpc.Status{Code: int32(codes.InvalidArgument), Message: next.Reason}
	}
	s.node = nil
	return s.stream.Send(request)
}

// receive reports until the stream ends; an end that close asked for is not worth a word.
func (s *session) receive(ctx context.Context) {
	defer close(s.done)
	for {
		response, err := s.stream.Recv()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			code := status.Code(err).String()
			if errors.Is(err, io.EOF) {
				code = "OK"
			}
			report(closed{event{"closed"}, code, status.Convert(err).Message()})
			return
		}
		told, err := decode(response)
		if err != nil {
			report(closed{event{"undecodable"}, "", err.Error()})
			return
		}
		report(told)
	}
}

func decode(response *discovery.DeltaDiscoveryResponse) (received, error) {
	told := received{event{"response"}, response.GetTypeUrl(), response.GetNonce(), []resource{}, response.GetRemovedResources()}
	for _, item := range response.GetResources() {
		var message proto.Message
		switch item.GetResource().GetTypeUrl() {
		case "type.googleapis.com/istio.workload.Address":
			message = &workloadapi.Address{}
		case "type.googleapis.com/istio.security.Authorization":
			message = &security.Authorization{}
		default:
			return told, fmt.Errorf("%s has type %q", item.GetName(), item.GetResource().GetTypeUrl())
		}
		if err := item.GetResource().UnmarshalTo(message); err != nil {
			return told, fmt.Errorf("%s: %w", item.GetName(), err)
		}
		unknown := unknownBytes(message.ProtoReflect())
		extensions := takeExtensions(message)
		value, err := protojson.Marshal(message)
		if err != nil {
			return told, fmt.Errorf("%s: %w", item.GetName(), err)
		}
		told.Resources = append(told.Resources, resource{item.GetName(), item.GetVersion(), value, extensions, unknown})
	}
	return told, nil
}

// takeExtensions removes the extensions of a workload or service, whose types nobody here knows, and names them.
func takeExtensions(message proto.Message) []string {
	names := []string{}
	address, ok := message.(*workloadapi.Address)
	if !ok {
		return names
	}
	for _, extension := range append(address.GetWorkload().GetExtensions(), address.GetService().GetExtensions()...) {
		names = append(names, extension.GetName())
	}
	if workload := address.GetWorkload(); workload != nil {
		workload.Extensions = nil
	}
	if service := address.GetService(); service != nil {
		service.Extensions = nil
	}
	return names
}

// unknownBytes counts what a message, and those in it, brought beyond the fields it knows.
func unknownBytes(message protoreflect.Message) int {
	count := len(message.GetUnknown())
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap():
			if field.MapValue().Message() != nil {
				value.Map().Range(func(_ protoreflect.MapKey, item protoreflect.Value) bool {
					count += unknownBytes(item.Message())
					return true
				})
			}
		case field.Message() == nil:
		case field.IsList():
			for index := range value.List().Len() {
				count += unknownBytes(value.List().Get(index).Message())
			}
		default:
			count += unknownBytes(value.Message())
		}
		return true
	})
	return count
}
