// Nodeagent is the pod network and the storage of a kind node that was built
// from source. The published node images carry kindnetd and the local path
// provisioner for this, which are not Go modules of their own. It runs once on
// every node. It knows IPv4 alone and enforces no NetworkPolicy.
package main

import (
	"context"
	"log"
	"os"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

const (
	retry    = time.Second      // after a failure: at start the node has no pod range yet
	deadline = 10 * time.Second // of one look at the cluster
)

func main() {
	client, err := connect()
	if err != nil {
		log.Fatal("nodeagent: ", err)
	}
	self, podNetwork := os.Getenv("NODE_NAME"), os.Getenv("POD_SUBNET")
	go repeat("volumes", time.Second, func(ctx context.Context) error {
		return volumes(ctx, client, self)
	})
	repeat("network", 5*time.Second, func(ctx context.Context) error {
		return network(ctx, client, self, podNetwork)
	})
}

func connect() (kubernetes.Interface, error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, err
	}
	return kubernetes.NewForConfig(config)
}

func repeat(what string, interval time.Duration, once func(context.Context) error) {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		err := once(ctx)
		cancel()
		wait := interval
		if err != nil {
			log.Printf("nodeagent: %s: %v", what, err)
			wait = retry
		}
		time.Sleep(wait)
	}
}
