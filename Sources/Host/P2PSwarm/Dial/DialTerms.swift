import P2PCore
import P2PMultiaddr

/// What connection a dial is to lead to, and how it is to be made. Requests with the same terms share a dial.
struct DialTerms: Sendable, Hashable {
    /// A connection that a relay lends will do, too.
    var allowsLimited = true
    var role = ConnectionRole.dialer
    var localAddress: Multiaddr?

    init() {}

    init(_ request: DialRequest) {
        self.allowsLimited = request.allowsLimited
        self.role = request.role
        self.localAddress = request.localAddress
    }

    /// Whether a failure says something about the address, and not only about how it was dialled.
    var areOrdinary: Bool { self.role == .dialer && self.localAddress == nil }
}

extension DialRequest {
    /// Whether a connection that there is will do.
    func isSatisfied(by connection: ConnectionInfo) -> Bool {
        if self.forcesNew { return false }
        guard connection.isLimited else { return true }
        return self.allowsLimited && self.addresses.allSatisfy(\.isRelayed) && self.remembered.allSatisfy(\.address.isRelayed)
    }
}
