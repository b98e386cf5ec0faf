import NIOCore
import NIOPosix
import P2PSystem

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
        Self.threads.submit { _ in
            outcome.settle(
                SystemLookup.addresses(of: name, port: UInt16(clamping: port), family: family.system)
                    .mapError { SocketError(.unresolvable, $0.description) })
        }
        return try await outcome.value()
    }
}

extension SocketAddressFamily {
    fileprivate var system: NIOBSDSocket.AddressFamily? {
        switch self {
        case .any: nil
        case .ipv4: .inet
        case .ipv6: .inet6
        }
    }
}
