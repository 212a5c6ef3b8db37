package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"

	"github.com/vishvananda/netlink"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// network writes the node's CNI configuration, keeps a route to the pod range
// of every other node and masquerades what leaves the pod network.
func network(ctx context.Context, client kubernetes.Interface, self, podNetwork string) error {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	var failures []error
	for _, node := range nodes.Items {
		switch {
		case node.Name == self && node.Spec.PodCIDR == "":
			failures = append(failures, fmt.Errorf("node %s has no pod range yet", self))
		case node.Name == self:
			failures = append(failures, writeCNI(node.Spec.PodCIDR))
		case node.Spec.PodCIDR != "":
			failures = append(failures, route(&node))
		}
	}
	return errors.Join(append(failures, masquerade(podNetwork))...)
}

// route sends the pod range of another node to that node's own address.
func route(node *v1.Node) error {
	_, pods, err := net.ParseCIDR(node.Spec.PodCIDR)
	if err != nil {
		return err
	}
	for _, address := range node.Status.Addresses {
		gateway := net.ParseIP(address.Address).To4()
		if address.Type != v1.NodeInternalIP || gateway == nil {
			continue
		}
		if err := netlink.RouteReplace(&netlink.Route{Dst: pods, Gw: gateway}); err != nil {
			return fmt.Errorf("route to %s by %s: %w", pods, gateway, err)
		}
	}
	return nil
}

// masquerade gives packets that leave the pod network their node's address,
// since nothing outside has a route back.
func masquerade(podNetwork string) error {
	rule := []string{
		"POSTROUTING", "-s", podNetwork, "!", "-d", podNetwork,
		"-m", "addrtype", "!", "--dst-type", "LOCAL",
		"-m", "comment", "--comment", "nodeagent", "-j", "MASQUERADE",
	}
	if iptables("-C", rule) == nil {
		return nil
	}
	return iptables("-A", rule)
}

func iptables(verb string, rule []string) error {
	out, err := exec.Command("iptables", append([]string{"-w", "-t", "nat", verb}, rule...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("iptables %s: %w: %s", verb, err, out)
	}
	return nil
}
