package import NIOCore
package import P2PMultiaddr

/// An address and how long after the start of a dial its turn comes, unless all before it have failed.
package struct RankedAddress: Sendable, Hashable {
    /// What to dial.
    package let address: Multiaddr
    /// Counted from the start of the dial.
    package let delay: TimeAmount

    /// - Parameter delay: counted from the start of the dial.
    package init(address: Multiaddr, delay: TimeAmount) {
        self.address = address
        self.delay = delay
    }
}

/// Puts the addresses of a peer in the order in which they are dialled. A pure function.
///
/// QUIC goes first, TCP follows, relays and everything else come last; IPv6 and IPv4 take turns (RFC 8305, "Happy
/// Eyeballs", with go's delays).
package struct DialRanker: Sendable {
    /// The delays of one kind of network.
    package struct Delays: Sendable, Hashable {
        /// Between two addresses of the same transport.
        package var stagger: TimeAmount
        /// From QUIC's first address to TCP's.
        package var tcpAfterQUIC: TimeAmount
        /// From the first direct address to those of unknown transports.
        package var others: TimeAmount

        /// - Parameters:
        ///   - stagger: between two addresses of the same transport.
        ///   - tcpAfterQUIC: from QUIC's first address to TCP's.
        ///   - others: from the first direct address to those of unknown transports.
        package init(stagger: TimeAmount, tcpAfterQUIC: TimeAmount, others: TimeAmount) {
            self.stagger = stagger
            self.tcpAfterQUIC = tcpAfterQUIC
            self.others = others
        }
    }

    /// For addresses on the internet, and for names.
    package var publicDelays = Delays(stagger: .milliseconds(250), tcpAfterQUIC: .milliseconds(250), others: .seconds(1))
    /// For loopback, link-local and private addresses.
    package var privateDelays = Delays(stagger: .milliseconds(30), tcpAfterQUIC: .milliseconds(30), others: .milliseconds(100))
    /// From the first direct address to those that lead through a relay.
    package var relayDelay = TimeAmount.milliseconds(500)

    /// go's delays.
    package init() {}

    /// The addresses by delay; those with the same delay keep their order.
    package func rank(_ addresses: [Multiaddr]) -> [RankedAddress] {
        let direct = addresses.filter { !$0.isRelayed }
        let relayed = addresses.filter(\.isRelayed)
        let local = direct.filter(Self.isLocal)
        let distant = direct.filter { !Self.isLocal($0) }
        var ranked = self.rank(local, delays: self.privateDelays) + self.rank(distant, delays: self.publicDelays)
        let relayBase = direct.isEmpty ? TimeAmount.zero : self.relayDelay
        ranked += Self.stagger(relayed, from: relayBase, by: self.publicDelays.stagger)
        return ranked.enumerated().sorted { ($0.element.delay, $0.offset) < ($1.element.delay, $1.offset) }.map(\.element)
    }

    private func rank(_ addresses: [Multiaddr], delays: Delays) -> [RankedAddress] {
        var quic: [Multiaddr] = []
        var tcp: [Multiaddr] = []
        var others: [Multiaddr] = []
        for address in addresses {
            if address.udpEndpoint != nil, address.contains(.quicV1) || address.contains(.quic) {
                quic.append(address)
            } else if address.tcpEndpoint != nil {
                tcp.append(address)
            } else {
                others.append(address)
            }
        }
        let otherBase = quic.isEmpty && tcp.isEmpty ? TimeAmount.zero : delays.others
        return Self.stagger(Self.alternatingFamilies(quic), from: .zero, by: delays.stagger)
            + Self.stagger(Self.alternatingFamilies(tcp), from: quic.isEmpty ? .zero : delays.tcpAfterQUIC, by: delays.stagger)
            + Self.stagger(others, from: otherBase, by: delays.stagger)
    }

    private static func isLocal(_ address: Multiaddr) -> Bool {
        address.isLoopback || address.isPrivate || address.isLinkLocal
    }

    private static func stagger(_ addresses: [Multiaddr], from base: TimeAmount, by step: TimeAmount) -> [RankedAddress] {
        addresses.enumerated().map { RankedAddress(address: $1, delay: base + step * $0) }
    }

    /// IPv6 and everything else in turns, IPv6 first.
    private static func alternatingFamilies(_ addresses: [Multiaddr]) -> [Multiaddr] {
        var six = addresses.filter { $0.ipAddress?.isIPv6 == true }[...]
        var rest = addresses.filter { $0.ipAddress?.isIPv6 != true }[...]
        var ordered: [Multiaddr] = []
        while !six.isEmpty || !rest.isEmpty {
            if let address = six.popFirst() { ordered.append(address) }
            if let address = rest.popFirst() { ordered.append(address) }
        }
        return ordered
    }
}
