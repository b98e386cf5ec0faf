import NIOCore
import P2PCore
import P2PMultiaddr

/// Talks one gateway into mapping ports, by PCP or, where it has none, by NAT-PMP: a value, to which time is an argument.
///
/// It is handed what comes from the gateway, and says what to send and when to ask again. The driver takes care that nobody else's datagrams
/// come here: the socket is connected.
struct GatewayDialogue {
    /// What the gateway has been found to speak.
    enum Speech: Equatable {
        case unknown, pcp, natPMP
        /// It answers neither, or can't be asked.
        case none
    }

    struct Mapping: Equatable {
        let externalPort: UInt16
        /// As PCP says; NAT-PMP says it of the whole gateway.
        let externalAddress: IPAddress?
        let renewAt: NIODeadline
        let expiresAt: NIODeadline
    }

    private struct Entry {
        let port: LocalPort
        let nonce: [UInt8]
        /// The outer port that was had last, or else the inner one.
        var wished: UInt16
        var ask: Ask?
        var mapping: Mapping?
        var refusal: (reason: String, retryAt: NIODeadline)?
    }

    /// A question that is repeated until somebody answers.
    private struct Ask {
        var sends = 0
        var nextAt: NIODeadline
        let giveUpAt: NIODeadline
    }

    private static let maximumSends = 4
    private static let pcpInterval = (first: Int64(1_000), jitter: Int64(100))
    private static let natPMPInterval = Int64(250)

    let client: IPAddress
    private(set) var speech = Speech.unknown
    private(set) var isBehindAnotherNAT = false
    /// The outer address, as NAT-PMP says.
    private var externalAddress: IPAddress?
    private var entries: [Entry]
    private var addressAsk: Ask?
    private var epoch: GatewayEpoch?
    private var checkAt: NIODeadline
    private var lastRestart: NIODeadline?
    private var jitter: Jitter
    private let silentAt: NIODeadline

    /// - Parameters:
    ///   - client: this node's address, from which the gateway is asked.
    ///   - nonces: what proves to the gateway who may renew a mapping: one for each port, kept over restarts.
    init(
        client: IPAddress, ports: [LocalPort], nonces: [LocalPort: [UInt8]], wished: [LocalPort: UInt16], seed: UInt64, at now: NIODeadline
    ) {
        self.client = client
        self.jitter = Jitter(seed: seed)
        self.silentAt = now + MappingLimits.gatewayPatience
        self.checkAt = now + MappingLimits.checkInterval
        self.entries = ports.map { port in
            Entry(
                port: port, nonce: nonces[port] ?? [UInt8](repeating: 0, count: PCPMessage.nonceLength),
                wished: wished[port] ?? port.number,
                ask: Ask(nextAt: now, giveUpAt: now + MappingLimits.gatewayPatience))
        }
        // Behind the first repetition of PCP: old boxes drop what they don't know instead of saying so. NAT-PMP has no IPv6.
        if client.isIPv4 { self.addressAsk = Ask(nextAt: now + .milliseconds(Self.pcpInterval.first), giveUpAt: self.silentAt) }
    }

    // MARK: What is known

    /// What is mapped now, by port.
    var mappings: [(port: LocalPort, mapping: Mapping)] {
        self.entries.compactMap { entry in entry.mapping.map { (entry.port, $0) } }
    }

    /// The outer address of a mapping, if the gateway has told one.
    func externalAddress(of mapping: Mapping) -> IPAddress? { mapping.externalAddress ?? self.externalAddress }

    /// Whether each port is mapped, refused, or was asked for in vain.
    var isSettled: Bool { self.speech == .none || self.entries.allSatisfy { $0.mapping != nil || $0.ask == nil } }

    /// Why ports are not mapped.
    var failures: [(port: LocalPort, reason: String)] {
        self.entries.compactMap { entry in
            guard entry.mapping == nil, entry.ask == nil else { return nil }
            return (entry.port, entry.refusal?.reason ?? "the router answers neither PCP nor NAT-PMP")
        }
    }

    /// When something is to be done without any news.
    var deadline: NIODeadline? {
        guard self.speech != .none else { return nil }
        var times = self.entries.flatMap { entry in
            [entry.ask?.nextAt ?? entry.mapping?.renewAt ?? entry.refusal?.retryAt, entry.mapping?.expiresAt]
        }
        times += [self.addressAsk?.nextAt, self.speech == .unknown ? nil : self.checkAt]
        return times.compactMap { $0 }.min()
    }

    // MARK: Facts

    /// The socket is gone: nobody listens there, or there is no way. Mappings that there are live on until they expire.
    mutating func unreachable(at now: NIODeadline) {
        for index in self.entries.indices { self.entries[index].ask = nil }
        self.addressAsk = nil
        self.speech = .none
    }

    /// Takes a datagram of the gateway's.
    mutating func received(_ bytes: [UInt8], at now: NIODeadline) {
        guard self.speech != .none else { return }
        if let response = PCPMessage.read(bytes) {
            self.received(response, at: now)
        } else if let response = NATPMPMessage.read(bytes) {
            self.received(response, at: now)
        }
    }

    private mutating func received(_ response: PCPMessage.Response, at now: NIODeadline) {
        guard self.speech != .natPMP, response.result != .unsupportedVersion else { return }
        var answered: Int?
        switch response.body {
        case .announce:
            guard self.speech == .pcp else { return }
        case .map(let map):
            // Nonce, protocol and port are all that ties an answer to a question.
            answered = self.entries.firstIndex {
                $0.nonce == map.nonce && $0.port.transport.number == map.transport && $0.port.number == map.internalPort
            }
            guard let index = answered, self.entries[index].ask != nil else { return }
            self.speak(.pcp)
            self.entries[index].ask = nil
            if response.result == .success {
                self.mapped(index, map.externalPort, lifetime: response.lifetime, externalAddress: map.externalAddress, at: now)
            } else {
                if response.result == .addressMismatch { self.isBehindAnotherNAT = true }
                self.refused(index, "PCP: \(response.result)", isShort: response.result.isShort, at: now)
            }
        case .other: return
        }
        self.note(epoch: response.epoch, except: answered, at: now)
    }

    private mutating func received(_ response: NATPMPMessage.Response, at now: NIODeadline) {
        guard self.client.isIPv4 else { return }
        if response.result == .unsupportedVersion, self.speech == .unknown {
            self.switchToNATPMP(at: now)
            return
        }
        var answered: Int?
        switch response.body {
        case .address(let address):
            guard self.speech == .natPMP || self.addressAsk.map({ $0.sends > 0 }) == true else { return }
            if self.speech == .unknown { self.switchToNATPMP(at: now) }
            guard self.speech == .natPMP else { return }
            self.addressAsk = nil
            if response.result == .success { self.externalAddress = address.isUnspecified ? nil : address }
        case .map(let port, let externalPort, let lifetime):
            guard self.speech == .natPMP else { return }
            answered = self.entries.firstIndex { $0.port == port && $0.ask != nil }
            guard let index = answered else { return }
            self.entries[index].ask = nil
            if response.result == .success {
                self.mapped(index, externalPort, lifetime: lifetime, externalAddress: nil, at: now)
            } else {
                self.refused(index, "NAT-PMP: \(response.result)", isShort: response.result.isShort, at: now)
            }
        case .other: return
        }
        if let epoch = response.epoch { self.note(epoch: epoch, except: answered, at: now) }
    }

    private mutating func speak(_ speech: Speech) {
        guard self.speech == .unknown else { return }
        self.speech = speech
        if speech == .pcp { self.addressAsk = nil }
    }

    private mutating func switchToNATPMP(at now: NIODeadline) {
        self.speech = .natPMP
        let giveUpAt = now + MappingLimits.gatewayPatience
        self.addressAsk = Ask(nextAt: now, giveUpAt: giveUpAt)
        for index in self.entries.indices { self.entries[index].ask = Ask(nextAt: now, giveUpAt: giveUpAt) }
    }

    private mutating func mapped(
        _ index: Int, _ externalPort: UInt16, lifetime: UInt32, externalAddress: IPAddress?, at now: NIODeadline
    ) {
        let seconds = min(lifetime, MappingLimits.longestLifetime)
        guard externalPort != 0, seconds >= MappingLimits.shortestLifetime else {
            self.refused(index, "the router maps it to port \(externalPort) for \(seconds) s, which is of no use", isShort: false, at: now)
            return
        }
        self.entries[index].refusal = nil
        self.entries[index].wished = externalPort
        // A random point between a half and five eighths, so that what was mapped together is not renewed together.
        let renewal = self.jitter.milliseconds(Int64(seconds) * 500...Int64(seconds) * 625)
        self.entries[index].mapping = Mapping(
            externalPort: externalPort, externalAddress: externalAddress.flatMap { $0.isUnspecified ? nil : $0 },
            renewAt: now + max(renewal, MappingLimits.leastPause), expiresAt: now + .seconds(Int64(seconds)))
    }

    private mutating func refused(_ index: Int, _ reason: String, isShort: Bool, at now: NIODeadline) {
        self.entries[index].mapping = nil
        self.entries[index].refusal = (reason, now + (isShort ? MappingLimits.shortRefusal : MappingLimits.longRefusal))
    }

    /// A gateway that has forgotten is asked for everything again, but not more than once a minute, whatever it says.
    private mutating func note(epoch seconds: UInt32, except answered: Int?, at now: NIODeadline) {
        let isOver = self.epoch?.isOver(by: seconds, at: now) ?? false
        self.epoch = GatewayEpoch(seconds: seconds, at: now)
        guard isOver, self.lastRestart.map({ now - $0 >= MappingLimits.leastPause }) ?? true else { return }
        self.lastRestart = now
        for index in self.entries.indices where index != answered && self.entries[index].ask == nil {
            self.entries[index].refusal = nil
            self.entries[index].ask = Ask(nextAt: now, giveUpAt: now + MappingLimits.gatewayPatience)
        }
    }

    // MARK: Decisions

    /// What to send now.
    mutating func poll(at now: NIODeadline) -> [[UInt8]] {
        guard self.speech != .none else {
            self.expire(at: now)
            return []
        }
        self.expire(at: now)
        var sending: [[UInt8]] = []
        let isCheckDue = self.checkAt <= now && self.speech != .unknown
        if isCheckDue { self.checkAt = now + MappingLimits.checkInterval }
        if let isDue = Self.advance(&self.addressAsk, at: now, interval: self.natPMPWait), isDue || isCheckDue {
            sending.append(NATPMPMessage.addressRequest)
        } else if isCheckDue {
            sending.append(self.speech == .pcp ? PCPMessage.announce(client: self.client) : NATPMPMessage.addressRequest)
        }
        for index in self.entries.indices {
            if self.entries[index].ask == nil, self.isDue(self.entries[index], at: now) {
                self.entries[index].ask = Ask(nextAt: now, giveUpAt: now + MappingLimits.gatewayPatience)
            }
            guard self.entries[index].ask != nil else { continue }
            let wait = self.speech == .natPMP ? self.natPMPWait : self.pcpWait()
            if let isDue = Self.advance(&self.entries[index].ask, at: now, interval: wait) {
                if isDue { sending.append(self.request(for: self.entries[index], lifetime: MappingLimits.lifetime)) }
            } else {
                self.gaveUp(on: index, at: now)
            }
        }
        if self.speech == .unknown, now >= self.silentAt { self.unreachable(at: now) }
        return sending
    }

    /// Whether it is time to send; nil when the question has been given up, or there is none.
    private static func advance(_ ask: inout Ask?, at now: NIODeadline, interval: (_ sends: Int) -> TimeAmount) -> Bool? {
        guard var current = ask else { return nil }
        guard current.nextAt <= now else { return false }
        guard current.sends < Self.maximumSends, now < current.giveUpAt else {
            ask = nil
            return nil
        }
        current.nextAt = min(current.giveUpAt, now + interval(current.sends))
        current.sends += 1
        ask = current
        return true
    }

    private var natPMPWait: (Int) -> TimeAmount {
        { sends in .milliseconds(Self.natPMPInterval << Int64(sends)) }
    }

    private mutating func pcpWait() -> (Int) -> TimeAmount {
        let first = self.jitter.milliseconds(
            Self.pcpInterval.first - Self.pcpInterval.jitter...Self.pcpInterval.first + Self.pcpInterval.jitter)
        return { sends in first * (1 << sends) }
    }

    private func isDue(_ entry: Entry, at now: NIODeadline) -> Bool {
        if let mapping = entry.mapping { return mapping.renewAt <= now }
        return entry.refusal.map { $0.retryAt <= now } ?? false
    }

    private mutating func gaveUp(on index: Int, at now: NIODeadline) {
        guard let mapping = self.entries[index].mapping else {
            self.entries[index].refusal = ("the router does not answer", now + MappingLimits.longRefusal)
            return
        }
        // Half of what is left, as long as that is not too often.
        let left = (mapping.expiresAt - now).nanoseconds / 2
        self.entries[index].mapping = Mapping(
            externalPort: mapping.externalPort, externalAddress: mapping.externalAddress,
            renewAt: now + max(.nanoseconds(left), MappingLimits.leastPause), expiresAt: mapping.expiresAt)
    }

    private mutating func expire(at now: NIODeadline) {
        for index in self.entries.indices {
            guard let mapping = self.entries[index].mapping, mapping.expiresAt <= now else { continue }
            self.entries[index].mapping = nil
            if self.entries[index].ask == nil, self.entries[index].refusal == nil {
                self.entries[index].refusal = ("the mapping has expired, and the router does not answer", now + MappingLimits.leastPause)
            }
        }
    }

    private func request(for entry: Entry, lifetime: UInt32) -> [UInt8] {
        let suggested = lifetime == 0 ? 0 : entry.wished
        return self.speech == .natPMP
            ? NATPMPMessage.map(entry.port, lifetime: lifetime, suggested: suggested)
            : PCPMessage.map(entry.port, nonce: entry.nonce, lifetime: lifetime, suggested: suggested, client: self.client)
    }

    /// Takes these ports, and gives up those that are not among them.
    ///
    /// - Returns: what to send for those.
    mutating func use(_ ports: [LocalPort], nonces: [LocalPort: [UInt8]], at now: NIODeadline) -> [[UInt8]] {
        let gone = self.entries.filter { !ports.contains($0.port) }
        self.entries.removeAll { !ports.contains($0.port) }
        for port in ports where !self.entries.contains(where: { $0.port == port }) {
            self.entries.append(
                Entry(
                    port: port, nonce: nonces[port] ?? [UInt8](repeating: 0, count: PCPMessage.nonceLength), wished: port.number,
                    ask: self.speech == .none ? nil : Ask(nextAt: now, giveUpAt: now + MappingLimits.gatewayPatience)))
        }
        return self.speech == .none ? [] : gone.compactMap { $0.mapping == nil ? nil : self.request(for: $0, lifetime: 0) }
    }

    /// Gives every port back.
    ///
    /// - Returns: what to send. Nobody waits for the answers.
    mutating func release(at now: NIODeadline) -> [[UInt8]] {
        self.use([], nonces: [:], at: now)
    }
}
