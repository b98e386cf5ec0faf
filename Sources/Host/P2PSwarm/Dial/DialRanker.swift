package import NIOCore
import P2PCore
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
/// Eyeballs", with go's delays). However many there are, each has its turn within ``latest``.
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
    /// From the first direct address to those of families and transports that nobody answers by (``DialExperience``).
    package var silentDelay = TimeAmount.milliseconds(500)
    /// The same for those that carry nothing at all: when everything else has had its time.
    package var holeDelay = TimeAmount.seconds(5)
    /// When the last address of each line has its turn at the latest: the more there are, the closer together they start.
    package var latest = TimeAmount.milliseconds(1_250)

    /// go's delays.
    package init() {}

    /// The addresses by delay; those with the same delay keep their order.
    ///
    /// - Parameter experience: what it says of addresses and routes changes their order: what answered last time goes first, what never
    ///   answers goes later.
    package func rank(
        _ addresses: [Multiaddr], by experience: DialExperience = DialExperience(), at now: NIODeadline = .uptimeNanoseconds(0)
    ) -> [RankedAddress] {
        let relayed = addresses.filter(\.isRelayed)
        var direct = addresses.filter { !$0.isRelayed }
        let proved = Self.proved(among: direct, by: experience)
        var lead = TimeAmount.zero
        if let first = proved.first {
            lead = self.delays(of: first).stagger
            let isProved = Set(proved)
            direct.removeAll { isProved.contains($0) }
        }
        var ranked = self.line(proved, from: .zero, by: lead)
        // Where everything is silent, nothing is known to be better.
        var silent = direct.filter { experience.isSilent($0, at: now) }
        if silent.count == direct.count, proved.isEmpty { silent = [] }
        let isSilent = Set(silent)
        ranked += self.rankDirect(direct.filter { !isSilent.contains($0) }, from: lead)
        ranked += self.rankDirect(silent.filter { !experience.isHole($0, at: now) }, from: lead + self.silentDelay)
        ranked += self.rankDirect(silent.filter { experience.isHole($0, at: now) }, from: lead + self.holeDelay)
        let relayBase = direct.isEmpty && proved.isEmpty ? TimeAmount.zero : lead + self.relayDelay
        ranked += self.line(relayed, from: relayBase, by: self.publicDelays.stagger)
        return ranked.enumerated().sorted { ($0.element.delay, $0.offset) < ($1.element.delay, $1.offset) }.map(\.element)
    }

    /// Those that led to a connection last time, the latest first.
    private static func proved(among addresses: [Multiaddr], by experience: DialExperience) -> [Multiaddr] {
        addresses.compactMap { address in experience.proved(address).map { (address, $0) } }.sorted { $0.1 > $1.1 }.map(\.0)
    }

    private func rankDirect(_ addresses: [Multiaddr], from base: TimeAmount) -> [RankedAddress] {
        let local = addresses.filter(Self.isLocal)
        let distant = addresses.filter { !Self.isLocal($0) }
        return self.rank(local, delays: self.privateDelays, from: base) + self.rank(distant, delays: self.publicDelays, from: base)
    }

    private func rank(_ addresses: [Multiaddr], delays: Delays, from base: TimeAmount) -> [RankedAddress] {
        let lines = Dictionary(grouping: addresses) { DialRoute.Carrier($0) }
        let (quic, tcp, others) = (lines[.quic] ?? [], lines[.tcp] ?? [], lines[.other] ?? [])
        let tcpBase = quic.isEmpty ? base : base + delays.tcpAfterQUIC
        let otherBase = quic.isEmpty && tcp.isEmpty ? base : base + delays.others
        return self.line(Self.alternatingFamilies(quic), from: base, by: delays.stagger)
            + self.line(Self.alternatingFamilies(tcp), from: tcpBase, by: delays.stagger)
            + self.line(others, from: otherBase, by: delays.stagger)
    }

    private func delays(of address: Multiaddr) -> Delays { Self.isLocal(address) ? self.privateDelays : self.publicDelays }

    private static func isLocal(_ address: Multiaddr) -> Bool {
        address.isLoopback || address.isPrivate || address.isLinkLocal
    }

    private func line(_ addresses: [Multiaddr], from base: TimeAmount, by step: TimeAmount) -> [RankedAddress] {
        zip(addresses, Stagger.delays(addresses.count, from: base, by: step, until: self.latest)).map {
            RankedAddress(address: $0, delay: $1)
        }
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
