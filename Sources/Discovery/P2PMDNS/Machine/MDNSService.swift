package import P2PCore
package import P2PIdentity
package import P2PMultiaddr

/// What this node calls itself on the local network, and the records that say so (libp2p specs, "mDNS").
package struct MDNSService: Sendable {
    /// For how long our records hold, in seconds.
    package static let timeToLive: UInt32 = 120
    /// In an answer to a plain DNS client, which is not told when they change (RFC 6762, section 6.7).
    package static let plainTimeToLive: UInt32 = 10
    /// Addresses that are announced; those beyond are left to identify.
    package static let addressLimit = 8
    /// How DNS names the list of all services (RFC 6763, section 9).
    private static let metaName = "_services._dns-sd._udp.local"

    /// Which records an answer is made of.
    package struct Answers: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8

        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// That there is this instance of the service.
        package static let instance = Answers(rawValue: 1)
        /// That there is this service.
        package static let service = Answers(rawValue: 2)
        /// Where the instance listens.
        package static let details = Answers(rawValue: 4)
        /// The addresses of its host.
        package static let host = Answers(rawValue: 8)
    }

    /// `_p2p._udp.local`, or a private network's.
    package let name: DNSName
    /// Our own instance of it; random, so that it tells nothing.
    package let instance: DNSName
    private let host: DNSName
    private let meta: DNSName
    private let peer: PeerID?

    /// - Parameters:
    ///   - service: the first label, such as `_p2p`.
    ///   - peerName: 32 to 63 random letters and digits.
    ///   - peer: who is announced; nil only listens.
    package init(service: String, peerName: String, peer: PeerID?) throws(DNSError) {
        let local = Array("local".utf8)
        let labels = [Array(service.utf8), Array("_udp".utf8), local]
        self.name = try DNSName(labels: labels)
        self.instance = try DNSName(labels: [Array(peerName.utf8)] + labels)
        self.host = try DNSName(labels: [Array(peerName.utf8), local])
        self.meta = try DNSName(Self.metaName)
        self.peer = peer
    }

    /// Whether there is anybody to announce.
    var isAnnounced: Bool { self.peer != nil }

    /// Which records answer a question.
    package func answers(to question: DNSQuestion) -> Answers {
        guard question.class == .internet || question.class == .any else { return [] }
        func asks(_ types: DNSType...) -> Bool { question.type == .any || types.contains(question.type) }
        if question.name == self.name { return asks(.ptr) ? .instance : [] }
        if question.name == self.meta { return asks(.ptr) ? .service : [] }
        if question.name == self.instance { return asks(.srv, .txt) ? .details : [] }
        if question.name == self.host { return asks(.a, .aaaa) ? .host : [] }
        return []
    }

    /// Which answers the other side says that it knows, and will for half of their time at least.
    package func known(_ record: DNSRecord) -> Answers {
        guard case .pointer(let target) = record.content, record.timeToLive >= Self.timeToLive / 2 else { return [] }
        if record.name == self.name, target == self.instance { return .instance }
        if record.name == self.meta, target == self.name { return .service }
        return []
    }

    /// That this node exists; in a query, so that nobody answers on our behalf and those who don't know us yet learn of us.
    package var pointer: DNSRecord { DNSRecord(self.name, timeToLive: Self.timeToLive, .pointer(self.instance)) }

    /// Which of our addresses belong on a link: on the loopback interface all of them, elsewhere those of that network and of the internet,
    /// without any interface's name; never a relay's, and none that only a name server could resolve.
    ///
    /// - Parameter judge: knows the interface's other addresses; nil knows those of the link alone.
    package static func announced(_ addresses: [Multiaddr], on link: MDNSLink, judge: AddressJudge? = nil) -> [Multiaddr] {
        let judge = judge ?? AddressJudge(LocalNetworks([link]))
        let meeting = Meeting(on: link.name, isLoopback: link.isLoopback)
        var announced: [Multiaddr] = []
        for address in addresses where !address.isRelayed && address.ipAddress != nil {
            guard let told = judge.told(address, at: meeting), !announced.contains(told) else { continue }
            announced.append(told)
            if announced.count == Self.addressLimit { break }
        }
        return announced
    }

    /// An answer, or nil when there is nothing to say: without a peer or an address there is no instance.
    package func response(
        _ answers: Answers, announcing addresses: [Multiaddr], timeToLive: UInt32 = Self.timeToLive, flushing: Bool = true
    ) -> DNSMessage? {
        guard let peer = self.peer, !addresses.isEmpty else { return nil }
        let details = self.details(of: peer, at: addresses, timeToLive, flushing)
        let host = self.hostRecords(addresses, timeToLive, flushing)
        var message = DNSMessage(isResponse: true)
        if answers.contains(.instance) { message.answers.append(DNSRecord(self.name, timeToLive: timeToLive, .pointer(self.instance))) }
        if answers.contains(.service) { message.answers.append(DNSRecord(self.meta, timeToLive: timeToLive, .pointer(self.name))) }
        if answers.contains(.details) { message.answers += details }
        if answers.contains(.host) { message.answers += host }
        guard !message.answers.isEmpty else { return nil }
        if !answers.isDisjoint(with: [.instance, .details]) {
            if !answers.contains(.details) { message.additionals += details }
            if !answers.contains(.host) { message.additionals += host }
        }
        return message
    }

    private func details(of peer: PeerID, at addresses: [Multiaddr], _ timeToLive: UInt32, _ flushing: Bool) -> [DNSRecord] {
        let strings = addresses.map { Array("dnsaddr=\($0.withPeerID(peer))".utf8) }.filter { $0.count <= DNSLimits.string }
        let port = addresses.lazy.compactMap { $0.tcpEndpoint?.port ?? $0.udpEndpoint?.port }.first ?? 0
        return [
            DNSRecord(
                self.instance, timeToLive: timeToLive, flushesCache: flushing,
                .service(priority: 0, weight: 0, port: port, target: self.host)),
            DNSRecord(self.instance, timeToLive: timeToLive, flushesCache: flushing, .text(strings)),
        ]
    }

    private func hostRecords(_ addresses: [Multiaddr], _ timeToLive: UInt32, _ flushing: Bool) -> [DNSRecord] {
        var ips: [IPAddress] = []
        for ip in addresses.compactMap(\.ipAddress) where !ips.contains(ip) { ips.append(ip) }
        return ips.map { DNSRecord(self.host, timeToLive: timeToLive, flushesCache: flushing, .address($0)) }
    }
}
