package import NIOCore
package import P2PCore
import P2PIdentity
package import P2PMultiaddr

/// Announces this node on the local network and finds others (libp2p specs, "mDNS"; RFC 6762), as a value.
///
/// It is told which links there are, what this node's addresses are and what arrives, and asked what to send.
package struct MDNSMachine: Sendable {
    /// What came of a packet.
    package struct Outcome: Sendable, Hashable {
        /// Peers worth telling about.
        package var discovered: [DiscoveredPeer] = []
        /// Why the packet was not looked at, for the log.
        package var refusal: String?
    }

    /// The port of mDNS, at both ends of ordinary packets.
    package static let port: UInt16 = 5_353
    /// The longest packet that is sent, in bytes: what fits into an Ethernet frame.
    static let packetSize = 1_440
    /// Peers that a query says it knows already.
    static let knownAnswerLimit = 12

    package let service: MDNSService
    private var links: [MDNSLink.ID: MDNSLinkState] = [:]
    private var addresses: [Multiaddr] = []
    private var cache: MDNSCache
    /// Says which addresses belong on which link.
    private var judge = AddressJudge(LocalNetworks())
    private var jitter: Jitter

    /// - Parameter seed: for the random delays.
    package init(service: MDNSService, seed: UInt64, at now: NIODeadline) {
        self.service = service
        self.cache = MDNSCache(at: now)
        self.jitter = Jitter(seed: seed)
    }

    /// Peers that are known now.
    package var peerCount: Int { self.cache.count }

    /// When ``poll(at:)`` has something to do next; nil without links.
    package var deadline: NIODeadline? { self.links.values.map(\.deadline).min() }

    // MARK: Facts

    /// The links that there are now; on those that are new, or have changed, everything starts anew.
    ///
    /// - Parameter networks: all of this machine's, those that are not for local discovery among them; nil is those of the links.
    package mutating func setLinks(_ links: [MDNSLink], in networks: LocalNetworks? = nil, at now: NIODeadline) {
        let current = Dictionary(links.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
        for interface in Set(self.links.keys.map(\.interface)).subtracting(current.keys.map(\.interface)) {
            self.cache.removeAll(on: interface)
        }
        for (id, state) in self.links where current[id] != state.link { self.links[id] = nil }
        self.judge = AddressJudge(networks ?? LocalNetworks(current.values))
        // What belongs on a link may depend on the interface's other family.
        self.announce(at: now)
        for link in current.values.sorted(by: { $0.id < $1.id }) where self.links[link.id] == nil {
            var state = MDNSLinkState(link, queryAt: now + self.jitter.milliseconds(20...120), now: now)
            state.announce(
                MDNSService.announced(self.addresses, on: link, judge: self.judge), at: now + self.jitter.milliseconds(0...20))
            self.links[link.id] = state
        }
    }

    /// Nothing is sent or heard on that link until ``setLinks(_:in:at:)`` names it again, as a new one; who was found there stays known.
    package mutating func interrupted(_ id: MDNSLink.ID) {
        self.links[id] = nil
    }

    /// Where this node listens, without `/p2p`.
    package mutating func setAddresses(_ addresses: [Multiaddr], at now: NIODeadline) {
        guard addresses != self.addresses else { return }
        self.addresses = addresses
        self.announce(at: now)
    }

    private mutating func announce(at now: NIODeadline) {
        for id in self.links.keys.sorted() {
            guard let link = self.links[id]?.link else { continue }
            let announced = MDNSService.announced(self.addresses, on: link, judge: self.judge)
            self.links[id]?.announce(announced, at: now + self.jitter.milliseconds(0...20))
        }
    }

    /// A packet arrived.
    package mutating func received(_ bytes: [UInt8], from source: MDNSSource, on id: MDNSLink.ID, at now: NIODeadline) -> Outcome {
        guard var state = self.links[id] else { return Outcome() }
        defer { self.links[id] = state }
        guard state.arrivals.take(at: now) else { return Outcome(refusal: "more packets than are looked at") }
        guard state.link.isOnLink(source.ip) else { return Outcome(refusal: "the sender is not on the link") }
        let message: DNSMessage
        do throws(DNSError) {
            message = try DNSMessage(bytes)
        } catch {
            return Outcome(refusal: error.description)
        }
        guard message.opcode == 0, message.responseCode == 0 else { return Outcome() }
        guard message.isResponse else {
            guard MDNSAskers.mayAsk(from: source.port) else { return Outcome(refusal: "a query from port \(source.port)") }
            self.asked(message, by: source, on: &state, at: now)
            return Outcome()
        }
        // Anything else would be an answer that nobody asked for (RFC 6762, section 6).
        guard source.port == Self.port else { return Outcome(refusal: "an answer from port \(source.port)") }
        return Outcome(discovered: self.told(message, by: source, on: &state, at: now))
    }

    // MARK: Answers of others

    private mutating func told(
        _ message: DNSMessage, by source: MDNSSource, on state: inout MDNSLinkState, at now: NIODeadline
    ) -> [DiscoveredPeer] {
        var discovered: [DiscoveredPeer] = []
        let service = self.service
        let interface = state.link.id.interface
        let records = (message.answers + message.additionals).filter { $0.class == .internet }
        func key(_ instance: DNSName) -> MDNSCache.Key? {
            guard instance != service.instance, instance.isChild(of: service.name) else { return nil }
            return MDNSCache.Key(interface: interface, instance: instance)
        }
        for record in records {
            guard case .text(let strings) = record.content, let key = key(record.name) else { continue }
            state.unresolved[record.name] = nil
            if record.timeToLive == 0 {
                self.cache.remove(key)
            } else if let found = self.cache.insert(
                strings, as: key, timeToLive: record.timeToLive, from: source.ip, on: state.link, judge: self.judge, at: now)
            {
                discovered.append(found)
            }
        }
        for record in records {
            guard case .pointer(let instance) = record.content, record.name == service.name, let key = key(instance) else { continue }
            if record.timeToLive == 0 {
                self.cache.remove(key)
            } else if !self.cache.knows(key), !records.contains(where: { $0.name == instance && $0.type == .txt }),
                state.unresolved[instance] == nil, state.unresolved.count < MDNSLinkState.unresolvedLimit
            {
                state.unresolved[instance] = MDNSLinkState.attempts
                state.askSoon(at: now + self.jitter.milliseconds(20...120), distance: .seconds(1))
            }
        }
        return discovered
    }

    // MARK: Questions of others

    private mutating func asked(_ message: DNSMessage, by source: MDNSSource, on state: inout MDNSLinkState, at now: NIODeadline) {
        let known = message.answers.reduce(into: MDNSService.Answers()) { $0.formUnion(self.service.known($1)) }
        if message.questions.isEmpty { state.suppress(known, from: source.ip) }
        self.notice(message, from: source, on: &state, at: now)

        var answers: MDNSService.Answers = []
        var allowUnicast = true
        for question in message.questions {
            let needed = self.service.answers(to: question).subtracting(known)
            if !needed.isEmpty, !question.wantsUnicast { allowUnicast = false }
            answers.formUnion(needed)
        }
        guard !answers.isEmpty, !state.addresses.isEmpty else { return }
        let isPlain = source.port != Self.port
        if isPlain {
            self.queue(.init(answers: answers, to: source, of: message), on: &state)
        } else if allowUnicast, let last = state.lastAnswer, now - last < .seconds(Int64(MDNSService.timeToLive) / 4) {
            self.queue(.init(answers: answers, to: source, of: nil), on: &state)
        } else {
            let delay: ClosedRange<Int64> =
                message.isTruncated ? 400...500 : answers.isDisjoint(with: [.instance, .service]) ? 0...10 : 20...120
            state.answer(answers, to: source.ip, at: now + self.jitter.milliseconds(delay))
        }
    }

    /// Whoever asks for our service runs it: one that we don't know is asked in turn, since not everybody announces itself.
    private mutating func notice(_ message: DNSMessage, from source: MDNSSource, on state: inout MDNSLinkState, at now: NIODeadline) {
        let service = self.service
        guard message.questions.contains(where: { $0.name == service.name && $0.type == .ptr }) else { return }
        let instances = message.answers.compactMap { record -> DNSName? in
            guard record.name == service.name, case .pointer(let instance) = record.content else { return nil }
            return instance
        }
        let isKnown: Bool
        if let first = instances.first {
            // Our own queries name ourselves first.
            isKnown = first == self.service.instance || self.cache.knows(MDNSCache.Key(interface: state.link.id.interface, instance: first))
        } else {
            isKnown = self.cache.knows(source.ip) || state.link.prefixes.contains { $0.address == source.ip }
        }
        if !isKnown { state.askSoon(at: now + self.jitter.milliseconds(100...500), distance: .seconds(10)) }
    }

    /// An answer for one asker alone.
    private struct UnicastAnswer {
        let answers: MDNSService.Answers
        let destination: MDNSSource
        /// The question of a plain DNS client, which is repeated to it (RFC 6762, section 6.7).
        let question: DNSMessage?

        init(answers: MDNSService.Answers, to destination: MDNSSource, of question: DNSMessage?) {
            self.answers = answers
            self.destination = destination
            self.question = question
        }
    }

    /// Answers by unicast that ``poll(at:)`` hands out next; as many as the link may send at once.
    private var unicast: [(link: MDNSLink.ID, answer: UnicastAnswer)] = []

    private mutating func queue(_ answer: UnicastAnswer, on state: inout MDNSLinkState) {
        guard self.unicast.count < MDNSLinkState.outbound.capacity else { return }
        self.unicast.append((state.link.id, answer))
    }

    // MARK: What to send

    /// What is due; ask after every fact, and at ``deadline``.
    package mutating func poll(at now: NIODeadline) -> [MDNSPacket] {
        var packets: [MDNSPacket] = []
        for (id, answer) in self.unicast {
            guard var state = self.links[id], state.departures.take(at: now) else { continue }
            self.links[id] = state
            if let bytes = self.encoded(answer, announcing: state.addresses) {
                packets.append(MDNSPacket(bytes: bytes, link: id, destination: answer.destination))
            }
        }
        self.unicast = []
        for id in self.links.keys.sorted() {
            guard var state = self.links[id] else { continue }
            while state.deadline <= now {
                guard state.departures.take(at: now) else {
                    Self.postpone(&state, to: now + .seconds(1))
                    break
                }
                if let bytes = self.next(on: &state, at: now) { packets.append(MDNSPacket(bytes: bytes, link: id, destination: nil)) }
            }
            self.links[id] = state
        }
        return packets
    }

    private static func postpone(_ state: inout MDNSLinkState, to later: NIODeadline) {
        state.queryAt = max(state.queryAt, later)
        state.announceAt = state.announceAt.map { max($0, later) }
        if let due = state.pending?.due { state.pending?.due = max(due, later) }
    }

    /// The most urgent packet of a link on which something is due.
    private mutating func next(on state: inout MDNSLinkState, at now: NIODeadline) -> [UInt8]? {
        if let due = state.announceAt, due <= now {
            state.announcementsLeft -= 1
            state.announceAt = state.announcementsLeft > 0 ? now + .seconds(1) : nil
            state.pending = nil
            state.lastAnswer = now
            defer { state.withdrawn = [] }
            return state.withdrawn.isEmpty
                ? self.encoded([.instance, .details, .host], announcing: state.addresses)
                : self.encoded([.instance, .details, .host], announcing: state.withdrawn, timeToLive: 0)
        }
        if let pending = state.pending, pending.due <= now {
            state.pending = nil
            state.lastAnswer = now
            return self.encoded(pending.answers, announcing: state.addresses)
        }
        state.queryAt = now + state.queryPause + self.jitter.milliseconds(0...100)
        state.queryPause = min(state.queryPause * 2, MDNSLinkState.pauses.last)
        state.lastQuery = now
        self.cache.removeExpired(at: now)
        return self.query(on: &state, at: now)
    }

    private func query(on state: inout MDNSLinkState, at now: NIODeadline) -> [UInt8]? {
        var query = DNSMessage(isResponse: false)
        query.questions = [DNSQuestion(self.service.name, .ptr)]
        for (instance, attempts) in state.unresolved {
            query.questions.append(DNSQuestion(instance, .txt))
            state.unresolved[instance] = attempts > 1 ? attempts - 1 : nil
        }
        if !state.unresolved.isEmpty { state.queryAt = min(state.queryAt, now + .seconds(1)) }
        if !state.addresses.isEmpty, self.service.isAnnounced { query.answers.append(self.service.pointer) }
        for (instance, seconds) in self.cache.known(on: state.link.id.interface, at: now).prefix(Self.knownAnswerLimit) {
            query.answers.append(DNSRecord(self.service.name, timeToLive: seconds, .pointer(instance)))
        }
        return try? query.encoded()
    }

    /// An answer with as many addresses as fit into one packet.
    private func encoded(
        _ answers: MDNSService.Answers, announcing addresses: [Multiaddr], timeToLive: UInt32 = MDNSService.timeToLive
    ) -> [UInt8]? {
        self.fitting(addresses) { self.service.response(answers, announcing: $0, timeToLive: timeToLive) }
    }

    private func encoded(_ answer: UnicastAnswer, announcing addresses: [Multiaddr]) -> [UInt8]? {
        self.fitting(addresses) { addresses in
            guard let question = answer.question else { return self.service.response(answer.answers, announcing: addresses) }
            var message = self.service.response(
                answer.answers, announcing: addresses, timeToLive: MDNSService.plainTimeToLive, flushing: false)
            message?.id = question.id
            message?.questions = question.questions.filter { !self.service.answers(to: $0).isEmpty }
            return message
        }
    }

    private func fitting(_ addresses: [Multiaddr], _ message: ([Multiaddr]) -> DNSMessage?) -> [UInt8]? {
        var addresses = addresses
        while !addresses.isEmpty {
            guard let bytes = try? message(addresses)?.encoded() else { return nil }
            if bytes.count <= Self.packetSize { return bytes }
            addresses.removeLast()
        }
        return nil
    }

    /// What to send before the end: that this node is gone.
    package func goodbyes() -> [MDNSPacket] {
        self.links.values.sorted { $0.link.id < $1.link.id }.compactMap { state in
            self.encoded([.instance, .details, .host], announcing: state.addresses, timeToLive: 0).map {
                MDNSPacket(bytes: $0, link: state.link.id, destination: nil)
            }
        }
    }
}

extension MDNSLink.ID: Comparable {
    package static func < (left: Self, right: Self) -> Bool {
        left.interface == right.interface ? !left.isIPv6 && right.isIPv6 : left.interface < right.interface
    }
}
