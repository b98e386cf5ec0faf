import NIOCore
import NIOPosix

#if canImport(Darwin)
    import Darwin
#elseif canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Which addresses of a name are used.
public enum SocketAddressFamily: Hashable, Sendable {
    case any, ipv4, ipv6
}

/// Where a socket is to go: permission and addresses, for TCP and UDP alike.
struct SocketDestination {
    let capability: SocketQuestion.Capability
    let host: String
    let port: Int
    let family: SocketAddressFamily
    let gate: (any SocketGate)?

    /// The addresses that may be tried.
    func addresses() async throws(SocketError) -> [SocketAddress] {
        let question = SocketQuestion(self.capability, host: self.host, port: self.port)
        if let address = try? SocketAddress(ipAddress: self.host, port: self.port) {
            guard address.isOf(self.family) else {
                throw SocketError(.invalidArgument, "\(self.host) is no address of the family that was asked for")
            }
            try await self.gate.check(question)
            return [address]
        }
        try await self.gate.check(question)
        let found = try await NameLookup.addresses(of: self.host, port: self.port, family: self.family)
        var granted: [SocketAddress] = []
        var refusal: SocketError?
        for address in found.prefix(SocketLimits.addressesOfAName) {
            do throws(SocketError) {
                try await self.gate.check(self.question(leadingTo: address))
                granted.append(address)
            } catch {
                refusal = refusal ?? error
            }
        }
        if granted.isEmpty, let refusal { throw refusal }
        return granted
    }

    /// The question about one of the addresses, as it was asked for.
    func question(leadingTo address: SocketAddress) -> SocketQuestion {
        let isNumeric = (try? SocketAddress(ipAddress: self.host, port: self.port)) != nil
        return SocketQuestion(self.capability, host: self.host, port: self.port, leadsTo: isNumeric ? nil : address.ipAddress)
    }
}

extension SocketAddress {
    func isOf(_ family: SocketAddressFamily) -> Bool {
        switch (self, family) {
        case (_, .any), (.v4, .ipv4), (.v6, .ipv6): true
        default: false
        }
    }
}

/// Asks the system's resolver, which blocks, on threads of its own.
enum NameLookup {
    private static let threads: NIOThreadPool = {
        let threads = NIOThreadPool(numberOfThreads: SocketLimits.lookups)
        threads.start()
        return threads
    }()

    /// The addresses of a name, in the system's order. A task that is cancelled stops waiting; the thread ends by itself.
    static func addresses(of name: String, port: Int, family: SocketAddressFamily) async throws(SocketError) -> [SocketAddress] {
        let outcome = Outcome<[SocketAddress]>()
        Self.threads.submit { _ in outcome.settle(Self.ask(name, port, family)) }
        return try await outcome.value()
    }

    private static func ask(_ name: String, _ port: Int, _ family: SocketAddressFamily) -> Result<[SocketAddress], SocketError> {
        var hints = addrinfo()
        hints.ai_family =
            switch family {
            case .any: AF_UNSPEC
            case .ipv4: AF_INET
            case .ipv6: AF_INET6
            }
        #if canImport(Glibc)
            hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        #else
            hints.ai_socktype = SOCK_STREAM
        #endif
        var first: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(name, String(port), &hints, &first)
        guard status == 0 else {
            return .failure(SocketError(.unresolvable, "\(name) does not resolve: \(String(cString: gai_strerror(status)))"))
        }
        defer { freeaddrinfo(first) }
        var addresses: [SocketAddress] = []
        var entry = first
        while let info = entry?.pointee {
            if let raw = info.ai_addr {
                switch info.ai_family {
                case AF_INET: raw.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { addresses.append(SocketAddress($0.pointee)) }
                case AF_INET6: raw.withMemoryRebound(to: sockaddr_in6.self, capacity: 1) { addresses.append(SocketAddress($0.pointee)) }
                default: break
                }
            }
            entry = info.ai_next
        }
        return addresses.isEmpty
            ? .failure(SocketError(.unresolvable, "\(name) has no address of the kind asked for")) : .success(addresses)
    }
}
