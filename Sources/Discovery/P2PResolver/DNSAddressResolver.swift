public import NIOCore
public import P2PCore
public import P2PMultiaddr

/// Resolves `/dnsaddr/…` with TXT records (multiaddr specs, "dnsaddr"), by c-ares. Needs the package trait `CAres`.
public struct DNSAddressResolver: AddressResolver, HostModule {
    typealias LookUp = @Sendable (_ domain: String, _ deadline: NIODeadline) async -> Result<[[UInt8]], TransportError>

    /// Whether it was built in; without, every look-up fails and names the package trait.
    public static var isBuiltIn: Bool {
        #if CAres
            true
        #else
            false
        #endif
    }

    /// What whoever answers may make it do.
    public let limits: AddressListLimits
    private let lookUp: LookUp

    /// - Parameter servers: whom to ask, each as `127.0.0.1:53` or `[::1]:53`, the port being optional; empty for those that the system asks.
    public init(servers: [String] = [], limits: AddressListLimits = AddressListLimits()) {
        #if CAres
            let query = TextQuery(servers: servers)
            self.init(limits: limits) { domain, deadline in await query.texts(of: domain, deadline: deadline) }
        #else
            self.init(limits: limits) { _, _ in
                .failure(
                    TransportError(
                        .notBuiltIn, "/dnsaddr is not built in; build with the package trait CAres (or Full), which needs libc-ares"))
            }
        #endif
    }

    /// A resolver that refuses everything, with a reason for people: for a node whose other settings rule look-ups out.
    public static func refusing(because reason: String) -> DNSAddressResolver {
        DNSAddressResolver(limits: AddressListLimits()) { _, _ in .failure(TransportError(.unsupportedAddress, reason)) }
    }

    init(limits: AddressListLimits, lookUp: @escaping LookUp) {
        self.limits = limits
        self.lookUp = lookUp
    }

    /// Adds itself. Beside a proxy it refuses every look-up: name servers would be told what the proxy is to hide.
    public func join(_ plan: inout HostPlan) async throws {
        let surroundings = plan.surroundings
        plan.resolvers.append(
            surroundings.isProxied ? .refusing(because: "/dnsaddr is not looked up beside \(surroundings.proxyName)") : self)
    }

    /// The addresses that the list has, and the lists in it, within ``limits``; those that were told before the time was over count.
    public func resolve(_ address: Multiaddr, deadline: NIODeadline) async throws(TransportError) -> [Multiaddr] {
        let deadline = min(deadline, .now() + TimeAmount(self.limits.timeout))
        var walk = try AddressListWalk(address, limits: self.limits)
        var failure: TransportError?
        while !Task.isCancelled, .now() < deadline {
            let lists = walk.next()
            guard !lists.isEmpty else { break }
            for (list, answer) in await self.answers(to: lists, deadline: deadline) {
                switch answer {
                case .success(let texts): walk.told(texts, of: list)
                case .failure(let error): failure = failure ?? error
                }
            }
        }
        guard walk.addresses.isEmpty else { return walk.addresses }
        if Task.isCancelled { throw TransportError(.cancelled, "the look-up of \(address) was cancelled") }
        throw failure ?? TransportError(.unresolvable, "\(address) lists no address that ends so")
    }

    /// In the order of the lists, so that who answers first makes no difference.
    private func answers(
        to lists: [AddressListWalk.List], deadline: NIODeadline
    ) async -> [(AddressListWalk.List, Result<[[UInt8]], TransportError>)] {
        await withTaskGroup(of: (Int, Result<[[UInt8]], TransportError>).self) { group in
            for (index, list) in lists.enumerated() {
                group.addTask { (index, await self.lookUp(list.domain, deadline)) }
            }
            var answers: [(Int, Result<[[UInt8]], TransportError>)] = []
            for await answer in group { answers.append(answer) }
            return answers.sorted { $0.0 < $1.0 }.map { (lists[$0.0], $0.1) }
        }
    }
}
