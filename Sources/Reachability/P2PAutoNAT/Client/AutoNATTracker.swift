package import NIOCore
package import P2PCore
package import P2PIdentity
package import P2PMultiaddr

/// Finds out which of a node's addresses are reached from the internet, by having servers try them: a value, to which time is an argument.
///
/// One server's word is not believed: it takes servers in two networks, or three in one. And a server that a node behind a router has spoken
/// to from the very port in question proves nothing, for many routers let in whomever a port has spoken to, and nobody else: such an answer
/// counts only where there is no such router. Where there is one stranger alone, it shows which kind the router is.
package struct AutoNATTracker {
    /// A peer that dials on request.
    package struct Server: Hashable {
        package let peer: PeerID
        package let connection: ConnectionID
        /// Where it was met.
        package let ip: IPAddress
        /// The second version tells more, and is preferred.
        package let speaksVersion2: Bool

        package init(peer: PeerID, connection: ConnectionID, ip: IPAddress, speaksVersion2: Bool) {
            self.peer = peer
            self.connection = connection
            self.ip = ip
            self.speaksVersion2 = speaksVersion2
        }
    }

    package struct Probe: Hashable {
        package let address: Multiaddr
        package let server: Server
    }

    package enum Outcome: Equatable {
        /// - Parameter visitor: who has come in; nil where there is the server's word alone.
        case reached(visitor: IPAddress? = nil)
        case notReached(String)
        /// It would not, or could not, try, or what it says makes no sense; perhaps later.
        case noAnswer
    }

    private struct Vote {
        let isReached: Bool
        /// Whoever has tried was none to whom the port had spoken.
        let isStranger: Bool
        /// Nor had it to the server, which may have sent another.
        let isOfStranger: Bool
        /// It has come in, so that it need not be believed.
        let isProof: Bool
        /// Who has tried: the server, or who came in its stead.
        let witness: AddressKey
        let network: NetworkKey
        let at: NIODeadline
    }

    private struct Candidate {
        let address: Multiaddr
        /// There may be a router that lets in whom this node has spoken to.
        var needsStrangers: Bool
        var votes: [AddressKey: Vote] = [:]
        /// Whom it is asked about, since when.
        var asking: [PeerID: NIODeadline] = [:]
        var dueAt: NIODeadline
        var lastError: String?
    }

    /// Addresses that are looked at.
    package static let addressLimit = 50
    package static let probesAtOnce = 5
    private static let firstPause = TimeAmount.seconds(1)
    private static let votesWanted = 3
    private static let networksNeeded = 2
    /// Questions to one server in a little more than a minute: the first version takes three. And at once: the second takes two.
    private static let questionsInPeriod = 3
    private static let questionPeriod = TimeAmount.seconds(65)
    private static let questionsAtOnce = 2
    /// After a server that would not, or was too slow, for itself: at first, and with each time in a row twice as long up to the longest.
    private static let firstRefusalPause = TimeAmount.seconds(10)
    private static let longestRefusalPause = TimeAmount.minutes(2)
    private static let renewal = TimeAmount.hours(1)
    private static let expiry = TimeAmount.hours(5)
    private static let servers = 128
    /// How long a router may let somebody in whom a port has spoken to last: five minutes for UDP (RFC 4787), and four for what is left of a connection
    /// of TCP (RFC 5382), doubled.
    static let acquaintance = TimeAmount.minutes(10)
    private static let contactLimit = 10_000
    /// How long somebody may still come to whom the port has not spoken, before it counts that only others get in.
    static let strangerPatience = TimeAmount.seconds(30)

    private var servers: [PeerID: Server] = [:]
    private var candidates: [ThinWaist: Candidate] = [:]
    private var order: [ThinWaist] = []
    private var busyUntil: [PeerID: NIODeadline] = [:]
    /// How long the last pause of a server was that has not answered since.
    private var refusalPauses: [PeerID: TimeAmount] = [:]
    private var questions: [PeerID: [NIODeadline]] = [:]
    /// Whom this node's listening ports have spoken to, by protocol: since when, without a pause in which a router would forget it, and when last.
    private var contacts: [Contact: Acquaintance] = [:]
    private var asked: Set<PeerID> = []

    private struct Contact: Hashable {
        let ip: IPAddress
        let transport: ThinWaist.Transport
    }

    private struct Acquaintance {
        var since: NIODeadline
        var last: NIODeadline
    }

    package init() {}

    // MARK: What is known

    /// Servers that have been asked.
    package var askedServers: Int { self.asked.count }

    /// What is said of each address.
    package func verdicts(at now: NIODeadline) -> [(address: ThinWaist, state: Verdict, servers: Int, networks: Int, lastError: String?)] {
        self.order.compactMap { waist in
            guard let candidate = self.candidates[waist] else { return nil }
            let verdict = self.verdict(on: candidate, at: now)
            return (
                waist, verdict.state, verdict.votes.count, Set(verdict.votes.map(\.network)).count,
                verdict.state == .reachable ? nil : verdict.remark ?? candidate.lastError
            )
        }
    }

    package enum Verdict { case reachable, unreachable, unknown }

    private func verdict(on candidate: Candidate, at now: NIODeadline) -> (state: Verdict, votes: [Vote], remark: String?) {
        // Servers that send the same one have one voice.
        let all = Array(Dictionary(candidate.votes.values.map { ($0.witness, $0) }, uniquingKeysWith: Self.stronger).values)
        let strangers = all.filter(\.isStranger)
        // Strangers decide wherever there are any. Where not even others get in, these don't either.
        let votes = strangers.isEmpty || !candidate.needsStrangers ? all : all.filter { $0.isStranger || !$0.isReached }
        let (reached, missed) = (votes.filter(\.isReached), votes.filter { !$0.isReached })
        if Self.suffices(missed, against: reached) { return (.unreachable, votes, nil) }
        if Self.suffices(reached, against: missed) {
            guard candidate.needsStrangers, strangers.isEmpty else { return (.reachable, votes, nil) }
            // Nobody else may ever be there: where all servers are met over QUIC, the port that listens has spoken to each.
            return (
                now - candidate.dueAt < Self.strangerPatience || self.hasMoreStrangers(for: candidate, at: now) ? .unknown : .unreachable,
                votes,
                "only peers to which this port had spoken have tried, and many routers let in those alone"
            )
        }
        // One stranger alone, and others that get in: the router lets it in, too, or it lets in whom the port has spoken to.
        let friends = all.filter { !$0.isStranger }
        guard let one = strangers.first, strangers.count == 1, candidate.needsStrangers, friends.allSatisfy(\.isReached),
            Self.suffices(friends, against: []), !self.hasMoreStrangers(for: candidate, at: now)
        else { return (.unknown, votes, nil) }
        guard one.isReached else {
            return (.unreachable, all, "only peers to which this port had spoken get in, as with an address-restricted router")
        }
        return one.isProof ? (.reachable, all, nil) : (.unknown, votes, nil)
    }

    /// Which of two votes by the same witness counts: the later one, but where they agree the one of a stranger.
    private static func stronger(_ one: Vote, _ other: Vote) -> Vote {
        if one.isReached == other.isReached, one.isStranger != other.isStranger { return one.isStranger ? one : other }
        return one.at > other.at ? one : other
    }

    /// Whether a server could be asked to which the port has not spoken. Not one that has not answered: it might never do so.
    private func hasMoreStrangers(for candidate: Candidate, at now: NIODeadline) -> Bool {
        guard let waist = ThinWaist(candidate.address) else { return false }
        return self.servers.values.contains { server in
            server.ip.isIPv4 == waist.ip.isIPv4 && self.refusalPauses[server.peer] == nil
                && !self.hasSpoken(to: server.ip, over: waist.transport, at: now)
                && Self.key(server.ip).map { candidate.votes[$0]?.isOfStranger != true } ?? false
        }
    }

    private static func suffices(_ votes: [Vote], against others: [Vote]) -> Bool {
        guard votes.count >= others.count + 2 else { return false }
        return votes.count >= self.votesWanted || Set(votes.map(\.network)).count >= self.networksNeeded
    }

    // MARK: Facts

    /// The servers that there are now.
    package mutating func use(_ servers: [Server]) {
        self.servers = Dictionary(servers.prefix(Self.servers).map { ($0.peer, $0) }, uniquingKeysWith: { first, _ in first })
        self.busyUntil = self.busyUntil.filter { self.servers[$0.key] != nil }
        self.refusalPauses = self.refusalPauses.filter { self.servers[$0.key] != nil }
        self.questions = self.questions.filter { self.servers[$0.key] != nil }
    }

    /// The addresses that this node has or might have, the surest first.
    ///
    /// - Parameter needsStrangers: whether a router may stand between that lets in whom this node has spoken to.
    package mutating func use(_ addresses: [(address: Multiaddr, needsStrangers: Bool)], at now: NIODeadline) {
        var order: [ThinWaist] = []
        for (address, needsStrangers) in addresses {
            guard order.count < Self.addressLimit, let waist = ThinWaist(address), waist.ip.isPublic, !order.contains(waist) else {
                continue
            }
            order.append(waist)
            if self.candidates[waist] == nil {
                self.candidates[waist] = Candidate(address: address, needsStrangers: needsStrangers, dueAt: now + Self.firstPause)
            }
            self.candidates[waist]?.needsStrangers = needsStrangers
        }
        self.candidates = self.candidates.filter { order.contains($0.key) }
        self.order = order
    }

    /// One of the ports on which this node listens has sent packets to an address.
    package mutating func spoke(to ip: IPAddress, over transport: ThinWaist.Transport, at now: NIODeadline) {
        let contact = Contact(ip: ip.unmapped, transport: transport)
        if self.contacts.count >= Self.contactLimit, self.contacts[contact] == nil {
            self.contacts = self.contacts.filter { now - $0.value.last < Self.acquaintance }
            // Who has spoken to so many has no strangers left worth asking.
            guard self.contacts.count < Self.contactLimit else { return }
        }
        var acquaintance = self.contacts[contact] ?? Acquaintance(since: now, last: now)
        if now - acquaintance.last >= Self.acquaintance { acquaintance.since = now }
        acquaintance.last = now
        self.contacts[contact] = acquaintance
    }

    /// Whether a router may let it in for that.
    private func hasSpoken(to ip: IPAddress, over transport: ThinWaist.Transport, at now: NIODeadline) -> Bool {
        self.contacts[Contact(ip: ip.unmapped, transport: transport)].map { now - $0.last < Self.acquaintance } ?? false
    }

    /// Whether a router might have let it in for that at a time in the past. Whoever has come in since then is spoken to by now.
    private func hadSpoken(to ip: IPAddress, over transport: ThinWaist.Transport, at then: NIODeadline) -> Bool {
        guard let known = self.contacts[Contact(ip: ip.unmapped, transport: transport)] else { return false }
        return known.since <= then && then - known.last < Self.acquaintance
    }

    /// A peer has come in at an address by itself. If this node had not spoken to it, that is the best proof there is.
    package mutating func arrival(from ip: IPAddress, at address: Multiaddr, now: NIODeadline) {
        guard let waist = ThinWaist(address), ip.isPublic, self.candidates[waist] != nil,
            !self.hasSpoken(to: ip, over: waist.transport, at: now), let key = Self.key(ip)
        else { return }
        self.vote(
            Vote(
                isReached: true, isStranger: true, isOfStranger: true, isProof: true, witness: key, network: NetworkKey(ip), at: now),
            by: key, on: waist)
    }

    /// What came of a probe.
    ///
    /// A server may send somebody else, whose way in is then what was tried: one to whom the port had spoken proves no more than such a server does.
    package mutating func finished(_ probe: Probe, _ outcome: Outcome, at now: NIODeadline) {
        let server = probe.server
        guard let waist = ThinWaist(probe.address), let asked = self.candidates[waist]?.asking.removeValue(forKey: server.peer),
            let key = Self.key(server.ip)
        else { return }
        let visitor: IPAddress?
        switch outcome {
        case .noAnswer:
            let pause = self.refusalPauses[server.peer].map { min($0 * 2, Self.longestRefusalPause) } ?? Self.firstRefusalPause
            self.refusalPauses[server.peer] = pause
            self.busyUntil[server.peer] = now + pause
            return
        case .reached(let ip): visitor = ip
        case .notReached(let error):
            visitor = nil
            self.candidates[waist]?.lastError = error
        }
        self.refusalPauses[server.peer] = nil
        self.asked.insert(server.peer)
        // Where a router or a container's proxy lets everybody in by its own address, that says nothing of who came.
        let witness = visitor.flatMap { $0.unmapped.isPublic ? $0 : nil } ?? server.ip
        let vote = Vote(
            isReached: outcome.isReached, isStranger: !self.hadSpoken(to: witness, over: waist.transport, at: asked),
            isOfStranger: !self.hadSpoken(to: server.ip, over: waist.transport, at: asked), isProof: visitor != nil,
            witness: Self.key(witness) ?? key, network: NetworkKey(witness), at: now)
        self.vote(vote, by: key, on: waist)
    }

    private static func key(_ ip: IPAddress) -> AddressKey? { AddressKey(Multiaddr(ip: ip, tcp: 1)) }

    private mutating func vote(_ vote: Vote, by key: AddressKey, on waist: ThinWaist) {
        guard let votes = self.candidates[waist]?.votes, votes.count < Self.servers || votes[key] != nil else { return }
        // The visit of a server that dials is a proof of its own, and the better one.
        if let old = votes[key], old.isStranger, !vote.isStranger, old.isReached == vote.isReached, vote.at - old.at < Self.renewal {
            return
        }
        self.candidates[waist]?.votes[key] = vote
    }

    // MARK: Decisions

    /// Which server to ask about which address now.
    package mutating func poll(at now: NIODeadline) -> [Probe] {
        for waist in self.order {
            guard let votes = self.candidates[waist]?.votes else { continue }
            self.candidates[waist]?.votes = votes.filter { now - $0.value.at < Self.expiry }
        }
        var probes: [Probe] = []
        var underWay = self.candidates.values.reduce(0) { $0 + $1.asking.count }
        while underWay < Self.probesAtOnce, let probe = self.next(at: now) {
            probes.append(probe)
            underWay += 1
        }
        return probes
    }

    private mutating func next(at now: NIODeadline) -> Probe? {
        for waist in self.order {
            guard let candidate = self.candidates[waist], candidate.dueAt <= now else { continue }
            let fresh = candidate.votes.values.filter { now - $0.at < Self.renewal }
            let decisive = candidate.needsStrangers ? fresh.filter(\.isStranger) : Array(fresh)
            guard Set(decisive.map(\.witness)).count + candidate.asking.count < Self.votesWanted,
                let server = self.server(for: waist, candidate, at: now)
            else { continue }
            self.candidates[waist]?.asking[server.peer] = now
            self.questions[server.peer] = self.questions[server.peer, default: []].filter { now - $0 < Self.questionPeriod } + [now]
            return Probe(address: candidate.address, server: server)
        }
        return nil
    }

    /// Strangers first, then those in networks that have not voted yet, then those of the second version.
    private func server(for waist: ThinWaist, _ candidate: Candidate, at now: NIODeadline) -> Server? {
        let networks = Set(candidate.votes.values.map(\.network))
        let able = self.servers.values.filter { server in
            guard server.ip.isIPv4 == waist.ip.isIPv4, self.mayAsk(server, at: now), candidate.asking[server.peer] == nil,
                let key = Self.key(server.ip)
            else { return false }
            // Whoever has said something lately says the same again, unless it has become a stranger meanwhile.
            guard let vote = candidate.votes[key], now - vote.at < Self.renewal else { return true }
            return !vote.isOfStranger && !self.hasSpoken(to: server.ip, over: waist.transport, at: now)
        }
        return able.min { one, other in
            let rank = { (server: Server) -> (Int, Int, Int, String) in
                (
                    self.hasSpoken(to: server.ip, over: waist.transport, at: now) ? 1 : 0,
                    networks.contains(NetworkKey(server.ip)) ? 1 : 0, server.speaksVersion2 ? 0 : 1, server.peer.description
                )
            }
            return rank(one) < rank(other)
        }
    }

    private func mayAsk(_ server: Server, at now: NIODeadline) -> Bool {
        let recent = self.questions[server.peer, default: []].count { now - $0 < Self.questionPeriod }
        let underWay = self.candidates.values.count { $0.asking[server.peer] != nil }
        return recent < Self.questionsInPeriod && underWay < Self.questionsAtOnce && self.busyUntil[server.peer].map { $0 <= now } ?? true
    }
}

extension AutoNATTracker.Outcome {
    /// Whether somebody has come in, as far as is known.
    package var isReached: Bool { if case .reached = self { true } else { false } }
}
