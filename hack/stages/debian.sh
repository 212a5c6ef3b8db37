# shellcheck shell=bash
# The root file systems that images start from where no registry is reachable. Two by
# debootstrap: a kind node, and a base with Java. Two unpacked from single packages, with just
# what static or nearly static programs need: `netfilter` for kube-proxy and the pod network,
# `minimal` for the operator.
title="making Debian $DEBIAN root file systems"
TREES=$CACHE/debian
inputs=("$DEBIAN")
outputs=("$TREES"/{node,java,netfilter,minimal})

node_packages=systemd,dbus,conntrack,iptables,nftables,iproute2,ethtool,util-linux,mount,kmod,libseccomp2,pigz,ca-certificates,curl,jq,procps,containerd,runc,containernetworking-plugins,busybox-static,hostname,socat,rsync
java_packages=ca-certificates,openjdk-17-jre-headless
netfilter_packages=(libc6 busybox-static iptables conntrack libip4tc2 libip6tc2 libxtables12 libmnl0
  libnftnl11 libnfnetlink0 libnetfilter-conntrack3)
minimal_packages=(base-files libc6 libgcc-s1 zlib1g tzdata)

build() {
  mkdir -p "$TREES/packages"
  bootstrap node "$node_packages"
  bootstrap java "$java_packages"
  unpack netfilter "${netfilter_packages[@]}"
  link_iptables "$TREES/netfilter/usr/sbin"
  unpack minimal "${minimal_packages[@]}"
  # the bundle is made when ca-certificates is configured, it is not in the package
  install -D -m 644 "$TREES/node/etc/ssl/certs/ca-certificates.crt" \
    "$TREES/minimal/etc/ssl/certs/ca-certificates.crt"
}

# bootstrap NAME PACKAGES: a small Debian with these packages, without a trace of this machine.
bootstrap() {
  local tree=$TREES/$1
  rm -rf "$tree"
  debootstrap --variant=minbase --cache-dir="$TREES/packages" --include="$2" \
    "$DEBIAN" "$tree" "$(mirror)"
  echo 'deb http://deb.debian.org/debian '"$DEBIAN"' main' >"$tree/etc/apt/sources.list"
  rm -rf "$tree"/var/cache/apt/* "$tree"/var/lib/apt/lists/* "$tree"/var/log/*.log \
    "$tree"/usr/share/{doc,info,locale,man}/* "$tree"/etc/{hostname,resolv.conf}
}

# unpack NAME PACKAGE...: the files of these packages, which `bootstrap node` has fetched.
unpack() {
  local tree=$TREES/$1 package
  shift
  rm -rf "$tree"
  mkdir -p "$tree"/{etc,proc,run,sys,tmp,usr/sbin,usr/local/bin,var}
  chmod 1777 "$tree/tmp"
  for package in "$@"; do dpkg-deb --extract "$TREES/packages/${package}"_*.deb "$tree"; done
  rm -rf "$tree"/usr/share/{bash-completion,doc,info,lintian,locale,man}
}

# A Debian package registers these as alternatives when it is configured.
link_iptables() {
  local family verb
  for family in iptables ip6tables; do
    for verb in '' -save -restore; do ln -s xtables-nft-multi "$1/$family$verb"; done
  done
}

# The mirror that this host itself installs from.
mirror() {
  cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null |
    awk '/^URIs:/ { print $2; exit } /^deb / { sub(/\[[^]]*\] */, ""); print $2; exit }'
}
