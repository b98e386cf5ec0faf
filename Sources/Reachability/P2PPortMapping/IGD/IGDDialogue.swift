import NIOCore
import P2PCore
import P2PMultiaddr

/// Finds a gateway by SSDP and talks it into mapping ports by UPnP, or, for an address of IPv6, into letting packets in at them: a value, to which time
/// is an argument.
///
/// One request is under way at a time. It looks for gateways from the start, but maps nothing before it is told to (``mayMap``), for the
/// other protocols are kinder to routers.
struct IGDDialogue {
    enum Action: Equatable {
        /// To be sent to the multicast group.
        case search([UInt8])
        case request(HTTPRequest)
    }

    struct Mapping: Equatable {
        let externalPort: UInt16
        let renewAt: NIODeadline
        /// Nil for one that does not expire.
        let expiresAt: NIODeadline?
    }

    private enum Stage {
        case searching
        /// A gateway is being asked what it can do; further services of its description wait.
        case describing(GatewayURL, services: [IGDService])
        case ready(IGDService)
        case over
    }

    private struct Entry {
        let port: LocalPort
        var wished: UInt16
        var lease = MappingLimits.lifetime
        var attempts = 0
        var hasChosen = false
        var isDue = true
        /// Whether the gateway is to be asked if it still knows.
        var isDoubtful = false
        var mapping: Mapping?
        /// The number of the firewall's pinhole.
        var pinhole: UInt16?
        var refusal: (reason: String, retryAt: NIODeadline)?
    }

    private enum Job: Equatable {
        case describe(GatewayURL)
        case act(IGDAction)
    }

    private static let randomPorts: ClosedRange<UInt64> = 10_000...65_535

    private let client: IPAddress
    private let network: IPNetwork
    /// The default route's; others are asked only when it does not answer.
    private let gateway: IPAddress?
    private var random: MappingRandom
    private var stage = Stage.searching
    private let startedAt: NIODeadline
    private var searches = 0
    private var answers = 0
    private var seen: Set<GatewayURL> = []
    private var candidates: [GatewayURL] = []
    private var entries: [Entry]
    /// What gives back what is not wanted any more.
    private var leaving: [IGDAction] = []
    private var inFlight: (id: Int, job: Job)?
    private var lastID = 0
    private var checkAt: NIODeadline?
    private var wantsAddress: Bool
    private(set) var externalAddress: IPAddress?
    /// Whether the time to map has come.
    var mayMap = false
    /// The gateway does not answer any more: it has to be looked for again.
    private(set) var isLost = false
    /// What kept the last gateway from being used, for people.
    private(set) var lastFailure: String?

    /// - Parameters:
    ///   - client: this node's address on the gateway's network.
    ///   - network: what that network reaches without a router; a gateway is there.
    ///   - wished: outer ports that were had before.
    init(
        client: IPAddress, network: IPNetwork, gateway: IPAddress?, ports: [LocalPort], wished: [LocalPort: UInt16], random: MappingRandom,
        at now: NIODeadline
    ) {
        self.client = client
        self.network = network
        self.gateway = gateway
        self.random = random
        self.startedAt = now
        // An address that nobody translates is the outer one, too.
        self.wantsAddress = client.isIPv4
        self.externalAddress = client.isIPv4 ? nil : client
        self.entries = ports.map { Entry(port: $0, wished: wished[$0] ?? $0.number) }
    }

    // MARK: What is known

    var mappings: [(port: LocalPort, mapping: Mapping)] {
        self.entries.compactMap { entry in entry.mapping.map { (entry.port, $0) } }
    }

    /// Whether nothing more is going to come of what was begun.
    var isSettled: Bool {
        switch self.stage {
        case .over: true
        case .searching, .describing: false
        case .ready: self.inFlight == nil && (!self.mayMap || !self.entries.contains { $0.isDue })
        }
    }

    var isOver: Bool { if case .over = self.stage { true } else { false } }

    var failures: [(port: LocalPort, reason: String)] {
        self.entries.compactMap { entry in
            guard entry.mapping == nil else { return nil }
            if let refusal = entry.refusal { return (entry.port, refusal.reason) }
            guard self.isOver else { return nil }
            return (entry.port, self.lastFailure.map { "UPnP: \($0)" } ?? "no router answers to UPnP")
        }
    }

    /// When something is to be done without any news. While a request is under way there is nothing: its outcome comes soon.
    var deadline: NIODeadline? {
        guard self.inFlight == nil else { return nil }
        switch self.stage {
        case .over: return nil
        case .searching:
            var times = [self.startedAt + MappingLimits.searchPatience]
            if self.searches < SSDPMessage.targets.count {
                times.append(self.startedAt + .milliseconds(SSDPMessage.targets[self.searches].after))
            }
            return times.min()
        case .describing: return nil
        case .ready:
            var times = self.entries.flatMap {
                [$0.isDue ? nil : $0.mapping?.renewAt, $0.mapping?.expiresAt, $0.isDue ? nil : $0.refusal?.retryAt]
            }
            times.append(self.checkAt)
            return times.compactMap { $0 }.min()
        }
    }

    // MARK: Facts

    /// Takes an answer to the search.
    mutating func received(_ bytes: [UInt8], from sender: IPAddress, at now: NIODeadline) {
        guard case .searching = self.stage, self.answers < MappingLimits.searchAnswers else { return }
        self.answers += 1
        guard let text = SSDPMessage.location(in: bytes) else { return }
        do throws(GatewayError) {
            let location = try GatewayURL(text)
            guard location.host == sender.unmapped else { throw GatewayError("it says that its description is at \(location.host)") }
            let isOnLink = self.network.contains(location.host) || !self.client.isIPv4 && location.host.isLinkLocal
            guard isOnLink, location.host != self.client, location.host.isIPv4 == self.client.isIPv4 else {
                throw GatewayError("it is not on the network of the default route")
            }
            guard self.seen.count < MappingLimits.devices, self.seen.insert(location).inserted else { return }
            self.candidates.append(location)
        } catch {
            self.lastFailure = error.description
        }
    }

    /// Takes the outcome of a request.
    mutating func finished(_ id: Int, _ outcome: Result<HTTPReply, GatewayError>, at now: NIODeadline) {
        guard let (expected, job) = self.inFlight, expected == id else { return }
        self.inFlight = nil
        do throws(GatewayError) {
            switch job {
            case .describe(let location):
                let reply = try outcome.get()
                guard reply.status == 200 else { throw GatewayError("it answers with the status \(reply.status)") }
                self.stage = .describing(location, services: try IGDService.all(self.wantedServices, in: reply.body, at: location))
            case .act(let action):
                try self.finished(
                    action, outcome.flatMap { reply in Result { () throws(GatewayError) in try IGDAction.Answer(reply) } }, at: now)
            }
        } catch {
            self.failed(job, error, at: now)
        }
    }

    private mutating func finished(
        _ action: IGDAction, _ outcome: Result<IGDAction.Answer, GatewayError>, at now: NIODeadline
    ) throws(GatewayError) {
        let answer = try outcome.get()
        switch action {
        case .statusInfo, .firewallStatus:
            guard case .describing(let location, var services) = self.stage, !services.isEmpty else { return }
            let service = services.removeFirst()
            if let objection = Self.objection(in: answer, to: action) {
                self.lastFailure = objection
                self.stage = services.isEmpty ? .searching : .describing(location, services: services)
                return
            }
            self.stage = .ready(service)
            self.checkAt = now + MappingLimits.checkInterval
        case .externalAddress:
            self.wantsAddress = false
            let address = answer.values["NewExternalIPAddress"].flatMap { IPAddress($0) }
            self.externalAddress = address.flatMap { $0.isIPv4 && !$0.isUnspecified ? $0 : nil }
        case .add(let port, let external, _, let lease, let any):
            guard let index = self.entries.firstIndex(where: { $0.port == port }) else {
                if answer.fault == nil { self.leaving.append(.delete(port, external: external)) }
                return
            }
            if let fault = answer.fault {
                self.refused(index, fault, any: any, at: now)
            } else {
                let reserved = answer.values["NewReservedPort"].flatMap { UInt16($0) }
                self.mapped(index, reserved.flatMap { any && $0 > 0 ? $0 : nil } ?? external, lease: lease, at: now)
            }
        case .verify(let port, _):
            guard let index = self.entries.firstIndex(where: { $0.port == port }) else { return }
            let isOurs = answer.values["NewInternalClient"].map { $0 == "\(self.client)" } ?? true
            // Whoever does not know the action, or may not say, has not forgotten.
            if answer.fault == .noSuchEntry || !isOurs { self.ask(index) }
        case .open(let port, _, let lease):
            guard let pinhole = answer.fault == nil ? answer.values["UniqueID"].flatMap({ UInt16($0) }) : 0 else {
                throw GatewayError("it opens a pinhole without a number")
            }
            guard let index = self.entries.firstIndex(where: { $0.port == port }) else {
                if answer.fault == nil { self.leaving.append(.shut(port, pinhole: pinhole)) }
                return
            }
            if let fault = answer.fault { return self.refused(index, fault, any: false, at: now) }
            self.entries[index].pinhole = pinhole
            self.mapped(index, port.number, lease: lease, at: now)
        case .extend(let port, _, let lease):
            guard let index = self.entries.firstIndex(where: { $0.port == port }) else { return }
            if let fault = answer.fault { return self.refused(index, fault, any: false, at: now) }
            self.mapped(index, port.number, lease: lease, at: now)
        case .count(let port, _):
            guard answer.fault == .noSuchPinhole, let index = self.entries.firstIndex(where: { $0.port == port }) else { return }
            self.ask(index)
        case .delete, .shut: break
        }
    }

    /// Why a service is of no use; nil if it is. Some have no such action: then it is.
    private static func objection(in answer: IGDAction.Answer, to action: IGDAction) -> String? {
        guard answer.fault == nil else { return nil }
        guard action == .firewallStatus else {
            return answer.values["NewConnectionStatus"] == "Connected" ? nil : "it is not connected to the internet"
        }
        let isFalse = { (name: String) in ["0", "false", "no"].contains(answer.values[name]?.lowercased() ?? "") }
        if isFalse("FirewallEnabled") { return "its firewall is off" }
        return isFalse("InboundPinholeAllowed") ? "it allows no pinholes" : nil
    }

    private var wantedServices: [String] { self.client.isIPv4 ? IGDService.types : [IGDService.firewall] }

    /// A gateway that does not answer, or not sensibly, is left for the next one; once it has mapped something, it is looked for again.
    private mutating func failed(_ job: Job, _ error: GatewayError, at now: NIODeadline) {
        self.lastFailure = error.description
        switch self.stage {
        case .searching, .over: break
        case .describing(let location, let services):
            let left = services.dropFirst()
            self.stage = left.isEmpty ? .searching : .describing(location, services: Array(left))
        case .ready:
            guard case .act(let action) = job else { return }
            switch action {
            case .delete, .shut: break
            default:
                self.isLost = true
                self.stage = .over
            }
        }
    }

    private mutating func mapped(_ index: Int, _ external: UInt16, lease: UInt32, at now: NIODeadline) {
        let half = TimeAmount.seconds(Int64(MappingLimits.lifetime) / 2)
        self.entries[index].mapping = Mapping(
            externalPort: external, renewAt: now + half, expiresAt: lease == 0 ? nil : now + .seconds(Int64(lease)))
        self.entries[index].wished = external
        self.entries[index].isDue = false
        self.entries[index].refusal = nil
        self.entries[index].attempts = 0
    }

    /// Each error that has a cure is cured once.
    private mutating func refused(_ index: Int, _ fault: IGDAction.Fault, any: Bool, at now: NIODeadline) {
        self.entries[index].mapping = nil
        let port = self.entries[index].port
        let wasOpen = self.entries[index].pinhole != nil
        self.entries[index].pinhole = nil
        if self.entries[index].attempts < MappingLimits.attempts {
            switch fault {
            case .onlyPermanentLeases where self.entries[index].lease > 0:
                self.entries[index].lease = 0
                return
            case .noSuchPinhole where wasOpen: return
            case .samePortRequired where self.entries[index].wished != port.number:
                self.entries[index].wished = port.number
                return
            case .conflict where !self.entries[index].hasChosen, .noPortsLeft where !self.entries[index].hasChosen:
                self.entries[index].hasChosen = true
                self.entries[index].wished = UInt16(self.random.next(in: Self.randomPorts))
                return
            default: break
            }
        }
        self.entries[index].isDue = false
        self.entries[index].refusal = ("UPnP: \(fault)", now + MappingLimits.longRefusal)
    }

    private mutating func ask(_ index: Int) {
        self.entries[index].isDue = true
        self.entries[index].isDoubtful = false
        self.entries[index].attempts = 0
        self.entries[index].hasChosen = false
        self.entries[index].refusal = nil
    }

    /// Takes these ports, and gives up those that are not among them.
    mutating func use(_ ports: [LocalPort]) {
        for entry in self.entries where !ports.contains(entry.port) {
            if let pinhole = entry.pinhole {
                self.leaving.append(.shut(entry.port, pinhole: pinhole))
            } else if let mapping = entry.mapping {
                self.leaving.append(.delete(entry.port, external: mapping.externalPort))
            }
        }
        self.entries.removeAll { !ports.contains($0.port) }
        for port in ports where !self.entries.contains(where: { $0.port == port }) {
            self.entries.append(Entry(port: port, wished: port.number))
        }
    }

    /// Whether there is still something to be said to the gateway about ports that were given up.
    var isLeaving: Bool {
        guard case .ready = self.stage else { return false }
        return !self.leaving.isEmpty || self.inFlight != nil
    }

    // MARK: Decisions

    /// What to do now.
    mutating func poll(at now: NIODeadline) -> [Action] {
        var actions: [Action] = []
        if case .searching = self.stage, self.inFlight == nil {
            while self.searches < SSDPMessage.targets.count,
                self.startedAt + .milliseconds(SSDPMessage.targets[self.searches].after) <= now
            {
                let target = SSDPMessage.targets[self.searches].target
                self.searches += 1
                // Everything is asked for only where nothing has answered.
                if target != "ssdp:all" || self.seen.isEmpty {
                    actions.append(.search(SSDPMessage.search(target, overIPv6: !self.client.isIPv4)))
                }
            }
        }
        self.expire(at: now)
        guard self.inFlight == nil, let job = self.nextJob(at: now) else { return actions }
        self.lastID += 1
        self.inFlight = (self.lastID, job)
        switch job {
        case .describe(let location):
            actions.append(.request(HTTPRequest(id: self.lastID, getting: location, bodyLimit: MappingLimits.descriptionLength)))
        case .act(let action):
            guard let service = self.service else { return actions }
            actions.append(
                .request(
                    HTTPRequest(
                        id: self.lastID, url: service.control, bytes: action.request(to: service), bodyLimit: MappingLimits.answerLength)))
        }
        return actions
    }

    private var service: IGDService? {
        switch self.stage {
        case .ready(let service): service
        case .describing(_, let services): services.first
        case .searching, .over: nil
        }
    }

    private mutating func nextJob(at now: NIODeadline) -> Job? {
        switch self.stage {
        case .over: return nil
        case .searching:
            if let index = self.nextCandidate(at: now) { return .describe(self.candidates.remove(at: index)) }
            if now >= self.startedAt + MappingLimits.searchPatience, self.candidates.isEmpty { self.stage = .over }
            return nil
        case .describing: return .act(self.client.isIPv4 ? .statusInfo : .firewallStatus)
        case .ready(let service): return self.nextAction(service, at: now).map { .act($0) }
        }
    }

    /// The default route's first; others once it had time to answer.
    private func nextCandidate(at now: NIODeadline) -> Int? {
        if let index = self.candidates.firstIndex(where: { $0.host == self.gateway }) { return index }
        let hasWaited = self.gateway == nil || now >= self.startedAt + MappingLimits.searchPatience
        return hasWaited && !self.candidates.isEmpty ? 0 : nil
    }

    private mutating func nextAction(_ service: IGDService, at now: NIODeadline) -> IGDAction? {
        if !self.leaving.isEmpty { return self.leaving.removeFirst() }
        if let at = self.checkAt, at <= now {
            self.checkAt = now + MappingLimits.checkInterval
            self.wantsAddress = self.client.isIPv4
            for index in self.entries.indices where self.entries[index].mapping != nil { self.entries[index].isDoubtful = true }
        }
        for index in self.entries.indices where !self.entries[index].isDue {
            let entry = self.entries[index]
            guard (entry.mapping?.renewAt ?? entry.refusal?.retryAt).map({ $0 <= now }) == true else { continue }
            self.ask(index)
            self.wantsAddress = self.client.isIPv4
        }
        if self.wantsAddress {
            self.wantsAddress = false
            return .externalAddress
        }
        guard self.mayMap else { return nil }
        if let index = self.entries.firstIndex(where: { $0.isDue }) {
            self.entries[index].attempts += 1
            let entry = self.entries[index]
            if let pinhole = entry.pinhole { return .extend(entry.port, pinhole: pinhole, lease: entry.lease) }
            guard self.client.isIPv4 else { return .open(entry.port, client: self.client, lease: entry.lease) }
            return .add(
                entry.port, external: entry.wished, client: self.client, lease: entry.lease, any: entry.hasChosen && service.choosesPorts)
        }
        if let index = self.entries.firstIndex(where: { $0.isDoubtful }) {
            self.entries[index].isDoubtful = false
            if let pinhole = self.entries[index].pinhole { return .count(self.entries[index].port, pinhole: pinhole) }
            if let mapping = self.entries[index].mapping { return .verify(self.entries[index].port, external: mapping.externalPort) }
        }
        return nil
    }

    private mutating func expire(at now: NIODeadline) {
        for index in self.entries.indices {
            guard let expiresAt = self.entries[index].mapping?.expiresAt, expiresAt <= now else { continue }
            self.entries[index].mapping = nil
            self.entries[index].isDue = true
        }
    }
}
