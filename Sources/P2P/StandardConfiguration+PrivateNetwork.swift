import P2PCore
import P2PPipeline
import P2PPrivateNetwork

extension StandardConfiguration {
    /// What lies below negotiation: nothing on the public network, unless the environment forbids that.
    func protector(isForced: Bool = PrivateNetwork.isForced) throws(TransportError) -> (any ConnectionProtector)? {
        guard let key = self.privateNetworkKey else {
            guard !isForced else {
                throw TransportError(
                    .privateNetworkRequired,
                    """
                    \(PrivateNetwork.variable)=1 forbids a node without a private network's key: give it one (--psk FILE, or \
                    StandardConfiguration.privateNetworkKey), or unset the variable
                    """)
            }
            return nil
        }
        do throws(PrivateNetworkError) {
            return try PrivateNetwork(key: key)
        } catch {
            throw TransportError(error.code == .notBuiltIn ? .notBuiltIn : .protectionFailed, error.message, cause: error)
        }
    }
}
