import NIOCore
import P2PCore
import P2PMultiaddr

/// Several resolvers as one: each is asked in turn, and the first that answers counts.
struct FirstAnswer: AddressResolver {
    let resolvers: [any AddressResolver]

    /// - Throws: the error of the last, with that of the one before as its cause.
    func resolve(_ address: Multiaddr, deadline: NIODeadline) async throws(TransportError) -> [Multiaddr] {
        var failure: TransportError?
        for resolver in self.resolvers {
            do throws(TransportError) {
                return try await resolver.resolve(address, deadline: deadline)
            } catch {
                failure = failure.map { TransportError(error.code, error.message, cause: $0) } ?? error
            }
        }
        throw failure ?? TransportError(.unsupportedAddress, "this host has no resolver for \(address)")
    }
}
