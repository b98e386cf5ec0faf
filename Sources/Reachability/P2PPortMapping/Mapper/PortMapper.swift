package import NIOCore
import P2PCore
package import P2PMultiaddr

/// Has a router map this node's ports, by whatever of the three protocols it speaks, and keeps them mapped: a value, to which time is an
/// argument.
///
/// It works in rounds. One begins when the network changes, when a router has forgotten us, and otherwise from time to time while nobody maps
/// anything; within ten seconds it is known whether somebody does. All protocols are tried at once, but UPnP maps only what the others do
/// not.
package struct PortMapper {
    package enum Action: Equatable {
        /// A round begins: its sockets are opened, and those of the round before are closed.
        case begin(round: Int, MappingNetwork)
        /// To the gateway's port of PCP and NAT-PMP.
        case datagram([UInt8])
        /// To the group of SSDP.
        case search([UInt8])
        case request(HTTPRequest)
    }

    private let makeNonce: @Sendable () -> [UInt8]
    private var random: MappingRandom
    private var network: MappingNetwork?
    private var isPublic = false
    private var ports: [LocalPort] = []
    private var nonces: [LocalPort: [UInt8]] = [:]
    private var wished: [LocalPort: UInt16] = [:]

    package private(set) var round = 0
    private var gateway: GatewayDialogue?
    private var igd: IGDDialogue?
    private var startedAt: NIODeadline?
    private var nextRoundAt: NIODeadline?
    private var isConcluded = false
    private var failedRounds = 0
    private var failures: [LocalPort: String] = [:]
    private var pending: [Action] = []
    private var isClosing = false

    /// - Parameters:
    ///   - seed: of delays and of ports that nobody asked for.
    ///   - makeNonce: twelve bytes that nobody can guess, for PCP.
    package init(seed: UInt64, makeNonce: @escaping @Sendable () -> [UInt8]) {
        self.random = MappingRandom(seed: seed)
        self.makeNonce = makeNonce
    }

    // MARK: What is known

    package var status: PortMappingStatus {
        var status = PortMappingStatus()
        guard !self.isPublic else {
            status.phase = .notNeeded
            return status
        }
        guard let network = self.network else { return status }
        status.gateway = network.gateway
        status.localAddress = network.client
        guard !self.ports.isEmpty else { return status }
        status.mappings = self.mappings(on: network)
        let isOuterPrivate = status.mappings.contains { $0.externalAddress.map { !$0.isPublic } ?? false }
        status.isBehindAnotherNAT = isOuterPrivate || self.gateway?.isBehindAnotherNAT == true
        status.failures = self.failures.filter { failure in !status.mappings.contains { $0.local == failure.key } }
        status.phase = !status.mappings.isEmpty ? .mapped : self.isConcluded ? .none : .searching
        return status
    }

    private func mappings(on network: MappingNetwork) -> [PortMappingStatus.Mapping] {
        var mappings: [PortMappingStatus.Mapping] = []
        if let gateway {
            let method: PortMappingStatus.Method = gateway.speech == .natPMP ? .natPMP : .pcp
            for (port, mapping) in gateway.mappings {
                mappings.append(
                    PortMappingStatus.Mapping(
                        local: port, localAddress: network.client, externalPort: mapping.externalPort,
                        externalAddress: gateway.externalAddress(of: mapping), method: method))
            }
        }
        for (port, mapping) in self.igd?.mappings ?? [] where !mappings.contains(where: { $0.local == port }) {
            mappings.append(
                PortMappingStatus.Mapping(
                    local: port, localAddress: network.client, externalPort: mapping.externalPort,
                    externalAddress: self.igd?.externalAddress, method: .upnp))
        }
        return mappings.sorted { $0.local < $1.local }
    }

    /// When something is to be done without any news.
    package var deadline: NIODeadline? {
        guard !self.isClosing else { return self.igd?.deadline }
        var times = [self.nextRoundAt, self.gateway?.deadline, self.igd?.deadline]
        if !self.isConcluded, let startedAt { times.append(startedAt + MappingLimits.roundPatience) }
        return times.compactMap { $0 }.min()
    }

    /// Whether everything was given back that had to be.
    package var isClosed: Bool { self.isClosing && self.pending.isEmpty && self.igd?.isLeaving != true }

    // MARK: Facts

    /// The machine's network, and the ports that are to be reached from outside.
    ///
    /// - Parameters:
    ///   - network: nil when there is no router to ask.
    ///   - isPublic: an interface has an address of the internet's: then nobody is asked.
    package mutating func use(_ network: MappingNetwork?, _ ports: [LocalPort], isPublic: Bool = false, at now: NIODeadline) {
        let network = isPublic ? nil : network
        self.isPublic = isPublic
        guard !self.isClosing, network != self.network || ports != self.ports else { return }
        for port in ports where self.nonces[port] == nil { self.nonces[port] = self.makeNonce() }
        self.nonces = self.nonces.filter { ports.contains($0.key) }
        self.wished = self.wished.filter { ports.contains($0.key) }
        let isNewNetwork = network != self.network
        let isMore = !Set(ports).isSubset(of: self.ports)
        self.network = network
        self.ports = ports
        if isNewNetwork {
            // The router of the old network is out of reach: what it holds expires.
            (self.gateway, self.igd) = (nil, nil)
            self.failures = [:]
            self.pending = []
            self.failedRounds = 0
            self.isConcluded = false
            self.startedAt = nil
            self.nextRoundAt = network == nil || ports.isEmpty ? nil : now
            return
        }
        guard !ports.isEmpty, self.startedAt != nil else {
            self.pending += (self.gateway?.release(at: now) ?? []).map { .datagram($0) }
            self.igd?.use([])
            self.nextRoundAt = network == nil || ports.isEmpty ? nil : now
            return
        }
        self.pending += (self.gateway?.use(ports, nonces: self.nonces, at: now) ?? []).map { .datagram($0) }
        // Whoever did not answer before is asked again when there is more to ask for.
        if isMore, self.isConcluded, self.status.mappings.isEmpty { self.renewSoon(at: now) }
    }

    /// Takes a datagram from the gateway's port of PCP and NAT-PMP, or an announcement of the gateway's.
    package mutating func received(_ bytes: [UInt8], round: Int, at now: NIODeadline) {
        guard round == self.round else { return }
        self.gateway?.received(bytes, at: now)
    }

    /// The socket to the gateway is gone.
    package mutating func gatewayClosed(round: Int, at now: NIODeadline) {
        guard round == self.round, self.gateway != nil else { return }
        let hadMappings = self.gateway?.mappings.isEmpty == false
        self.gateway?.unreachable(at: now)
        if hadMappings { self.renewSoon(at: now) }
    }

    /// Takes an answer to the search.
    package mutating func found(_ bytes: [UInt8], from sender: IPAddress, round: Int, at now: NIODeadline) {
        guard round == self.round else { return }
        self.igd?.received(bytes, from: sender, at: now)
    }

    /// Takes the outcome of a request.
    package mutating func finished(_ id: Int, _ outcome: Result<HTTPReply, GatewayError>, round: Int, at now: NIODeadline) {
        guard round == self.round else { return }
        self.igd?.finished(id, outcome, at: now)
    }

    /// Gives back what there is; ``poll(at:)`` says how.
    package mutating func close(at now: NIODeadline) {
        guard !self.isClosing else { return }
        self.isClosing = true
        self.nextRoundAt = nil
        self.pending += (self.gateway?.release(at: now) ?? []).map { .datagram($0) }
        self.igd?.use([])
    }

    // MARK: Decisions

    /// What to do now.
    package mutating func poll(at now: NIODeadline) -> [Action] {
        if let at = self.nextRoundAt, at <= now {
            self.nextRoundAt = nil
            if let network = self.network, !self.ports.isEmpty { self.begin(on: network, at: now) }
        }
        var actions = self.pending
        self.pending = []
        if !self.isClosing {
            actions += (self.gateway?.poll(at: now) ?? []).map { .datagram($0) }
            self.share()
        }
        for action in self.igd?.poll(at: now) ?? [] {
            switch action {
            case .search(let bytes): actions.append(.search(bytes))
            case .request(let request): actions.append(.request(request))
            }
        }
        if !self.isClosing { self.conclude(at: now) }
        return actions
    }

    private mutating func begin(on network: MappingNetwork, at now: NIODeadline) {
        self.round += 1
        self.startedAt = now
        self.isConcluded = false
        self.gateway = GatewayDialogue(
            client: network.client, ports: self.ports, nonces: self.nonces, wished: self.wished, seed: self.random.next(), at: now)
        self.igd = IGDDialogue(
            client: network.client, network: network.network, gateway: network.gateway, ports: [], wished: self.wished,
            random: MappingRandom(seed: self.random.next()), at: now)
        self.pending.append(.begin(round: self.round, network))
    }

    /// Leaves to UPnP what the gateway does not map by the other protocols.
    private mutating func share() {
        guard let gateway = self.gateway, gateway.isSettled else { return }
        let mapped = gateway.mappings.map(\.port)
        self.igd?.mayMap = true
        self.igd?.use(self.ports.filter { !mapped.contains($0) })
        // Nobody is looked for in vain.
        if mapped.count == self.ports.count, self.igd?.isLeaving != true, self.igd?.mappings.isEmpty != false { self.igd = nil }
    }

    private mutating func conclude(at now: NIODeadline) {
        guard let startedAt = self.startedAt, let network = self.network else { return }
        let mappings = self.mappings(on: network)
        for mapping in mappings { self.wished[mapping.local] = mapping.externalPort }
        let isSettled = (self.gateway?.isSettled ?? true) && (self.igd?.isSettled ?? true)
        guard isSettled || self.isConcluded || now >= startedAt + MappingLimits.roundPatience else { return }
        self.failures = self.reasons
        if self.igd?.isLost == true {
            self.renewSoon(at: now)
        } else if mappings.isEmpty, self.nextRoundAt == nil {
            self.failedRounds += 1
            self.nextRoundAt = now + (self.failedRounds < 3 ? MappingLimits.roundPause : MappingLimits.longRoundPause)
        } else if !mappings.isEmpty {
            self.failedRounds = 0
        }
        self.isConcluded = true
        // Whoever has been looked for long enough is not there.
        if let igd = self.igd, igd.isOver || (igd.mappings.isEmpty && !igd.isSettled && now >= startedAt + MappingLimits.roundPatience) {
            self.igd = nil
        }
    }

    /// UPnP's reasons count last and most: it was tried after the others.
    private var reasons: [LocalPort: String] {
        var reasons = Dictionary((self.gateway?.failures ?? []).map { ($0.port, $0.reason) }, uniquingKeysWith: { first, _ in first })
        guard let igd = self.igd else { return reasons.merging(self.failures) { new, _ in new } }
        for (port, reason) in igd.failures {
            reasons[port] = reasons[port].map { "\($0); \(reason)" } ?? reason
        }
        return reasons
    }

    /// Begins anew soon, but not more than once a minute.
    private mutating func renewSoon(at now: NIODeadline) {
        let soonest = self.startedAt.map { max(now, $0 + MappingLimits.leastPause) } ?? now
        self.nextRoundAt = min(soonest, self.nextRoundAt ?? soonest)
    }
}
