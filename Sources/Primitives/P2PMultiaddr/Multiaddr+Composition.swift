public import P2PIdentity

extension Multiaddr {
    /// This address with `component` at its end.
    ///
    /// - Throws: `.tooManyComponents`, `.tooLong`, or `.afterPath` when this address ends in a `unix` path.
    public func appending(_ component: MultiaddrComponent) throws(MultiaddrError) -> Multiaddr {
        try Multiaddr(self.components + [component])
    }

    /// This address with all of `other` at its end (encapsulation).
    ///
    /// - Throws: as `appending(_:)` for a component.
    public func appending(_ other: Multiaddr) throws(MultiaddrError) -> Multiaddr {
        try Multiaddr(self.components + other.components)
    }

    /// What stands before the last component of `protocol`; the address itself where there is none.
    public func decapsulating(_ protocol: MultiaddrProtocol) -> Multiaddr {
        let components = self.components
        guard let index = components.lastIndex(where: { $0.protocol == `protocol` }) else { return self }
        return Self(validated: components[..<index])
    }

    /// What stands before the last occurrence of all of `other`; the address itself where there is none.
    public func decapsulating(_ other: Multiaddr) -> Multiaddr {
        let components = self.components
        let pattern = other.components
        guard !pattern.isEmpty, pattern.count <= components.count else { return self }
        for start in stride(from: components.count - pattern.count, through: 0, by: -1)
        where components[start...].starts(with: pattern) {
            return Self(validated: components[..<start])
        }
        return self
    }

    /// The peer at the far end: the last `/p2p`, unless a `/p2p-circuit` follows it, for then it names the relay and not its client.
    public var peerID: PeerID? { self.peerHead.flatMap { try? PeerID(bytes: self.bytes[$0.value]) } }

    /// This address without the component that `peerID` reads.
    public var withoutPeerID: Multiaddr {
        guard let head = self.peerHead else { return self }
        var bytes = self.bytes
        bytes.removeSubrange(head.whole)
        return Self(validated: bytes)
    }

    /// This address with `/p2p/…` of `peer` at its end, in the place of the one it had.
    ///
    /// An address that cannot take the component (it ends in a `unix` path, or is as long as addresses may be) comes back without a peer:
    /// ask `peerID` where that matters.
    public func withPeerID(_ peer: PeerID) -> Multiaddr {
        let bare = self.withoutPeerID
        return (try? bare.appending(.p2p(peer))) ?? bare
    }

    /// Whether the way leads through a relay.
    public var isRelayed: Bool { self.contains(.p2pCircuit) }

    /// Joins some of the components of a valid address, which needs no new check.
    private init(validated components: some Sequence<MultiaddrComponent>) {
        var bytes: [UInt8] = []
        for component in components {
            component.append(to: &bytes)
        }
        self.init(validated: bytes)
    }

    /// Where the component stands that `peerID` reads.
    private var peerHead: MultiaddrHead? {
        var last: MultiaddrHead?
        for head in self.heads where head.protocol == .p2p || head.protocol == .p2pCircuit { last = head }
        return last.flatMap { $0.protocol == .p2p ? $0 : nil }
    }
}

extension Multiaddr {
    /// `/ip4/…/tcp/…` or `/ip6/…/tcp/…`.
    public init(ip address: IPAddress, tcp port: UInt16) {
        self.init(validated: [.ip(address), .tcp(port)])
    }

    /// `/ip4/…/udp/…` or `/ip6/…/udp/…`.
    public init(ip address: IPAddress, udp port: UInt16) {
        self.init(validated: [.ip(address), .udp(port)])
    }

    /// `/memory/…`.
    ///
    /// - Throws: `.invalidValue` for a name with a slash or a control character, or one longer than 255 bytes; `.missingValue` for none.
    public init(memory name: String) throws(MultiaddrError) {
        self.init(validated: [try MultiaddrComponent(.memory, text: name)])
    }
}
