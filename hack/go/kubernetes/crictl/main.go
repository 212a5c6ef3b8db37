// Crictl answers the few questions that kind, and a person at the node, ask of
// the container runtime. The full crictl is not a Go module of its own that
// builds with the Kubernetes of this node; what is not needed is not here.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	internal "k8s.io/cri-api/pkg/apis"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
	remote "k8s.io/cri-client/pkg"
)

const (
	endpoint = "unix:///run/containerd/containerd.sock"
	connect  = 10 * time.Second
	deadline = time.Minute
)

var errUsage = errors.New("usage: crictl images | inspecti IMAGE | rmi IMAGE... | ps | pods")

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	images, err := remote.NewRemoteImageService(endpoint, connect, nil, nil)
	if err != nil {
		return err
	}
	containers, err := remote.NewRemoteRuntimeService(endpoint, connect, nil, nil)
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	defer table.Flush()
	switch command, rest := args[0], args[1:]; command {
	case "images":
		return listImages(ctx, images, table)
	case "inspecti":
		return inspectImage(ctx, images, rest)
	case "rmi":
		return removeImages(ctx, images, rest)
	case "ps":
		return listContainers(ctx, containers, table)
	case "pods":
		return listPods(ctx, containers, table)
	default:
		return errUsage
	}
}

func listImages(ctx context.Context, images internal.ImageManagerService, out io.Writer) error {
	list, err := images.ListImages(ctx, nil)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "IMAGE ID\tSIZE\tTAGS")
	for _, image := range list {
		fmt.Fprintf(out, "%s\t%d\t%s\n", image.Id, image.Size, strings.Join(image.RepoTags, ","))
	}
	return nil
}

// inspectImage prints what `kind load` looks for: the id, to skip an image
// that is already on the node, and the tags, to add one that is missing.
func inspectImage(ctx context.Context, images internal.ImageManagerService, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	name := args[len(args)-1] // options come before it
	found, err := images.ImageStatus(ctx, &runtime.ImageSpec{Image: name}, true)
	if err != nil {
		return err
	}
	if found.Image == nil {
		return fmt.Errorf("no such image %q present", name)
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(map[string]any{"status": map[string]any{
		"id":          found.Image.Id,
		"repoTags":    found.Image.RepoTags,
		"repoDigests": found.Image.RepoDigests,
		"size":        strconv.FormatUint(found.Image.Size, 10),
	}})
}

func removeImages(ctx context.Context, images internal.ImageManagerService, names []string) error {
	for _, name := range names {
		if err := images.RemoveImage(ctx, &runtime.ImageSpec{Image: name}); err != nil {
			return err
		}
	}
	return nil
}

func listContainers(ctx context.Context, containers internal.RuntimeService, out io.Writer) error {
	list, err := containers.ListContainers(ctx, nil)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "CONTAINER\tNAME\tATTEMPT\tSTATE\tPOD")
	for _, c := range list {
		fmt.Fprintf(out, "%.13s\t%s\t%d\t%s\t%s\n",
			c.Id, c.Metadata.Name, c.Metadata.Attempt, c.State, c.Labels["io.kubernetes.pod.name"])
	}
	return nil
}

func listPods(ctx context.Context, containers internal.RuntimeService, out io.Writer) error {
	list, err := containers.ListPodSandbox(ctx, nil)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "POD ID\tNAMESPACE\tNAME\tATTEMPT\tSTATE")
	for _, pod := range list {
		fmt.Fprintf(out, "%.13s\t%s\t%s\t%d\t%s\n",
			pod.Id, pod.Metadata.Namespace, pod.Metadata.Name, pod.Metadata.Attempt, pod.State)
	}
	return nil
}
