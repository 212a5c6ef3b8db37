package main

import (
	"fmt"
	"os"
)

const cniPath = "/etc/cni/net.d/10-nodeagent.conflist"

// cniTemplate joins each pod to its node by a pair of virtual interfaces
// (ptp) with an address of the node's range; portmap serves hostPort.
const cniTemplate = `{
  "cniVersion": "0.3.1",
  "name": "nodeagent",
  "plugins": [
    {
      "type": "ptp", "ipMasq": false, "mtu": 1500,
      "ipam": {
        "type": "host-local", "dataDir": "/run/cni-ipam-state",
        "routes": [{"dst": "0.0.0.0/0"}], "ranges": [[{"subnet": %q}]]
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`

// writeCNI writes the configuration when it differs from what is there. The
// rename makes it appear whole: the runtime reads the directory at any time,
// and the node is Ready from the first valid file on.
func writeCNI(podRange string) error {
	want := fmt.Sprintf(cniTemplate, podRange)
	if have, err := os.ReadFile(cniPath); err == nil && string(have) == want {
		return nil
	}
	temporary := cniPath + ".tmp"
	if err := os.WriteFile(temporary, []byte(want), 0o644); err != nil {
		return err
	}
	return os.Rename(temporary, cniPath)
}
