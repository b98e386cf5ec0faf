/// What a node has around it that a module must not work around.
public struct HostSurroundings: Sendable, Hashable {
    /// What is dialled goes through a proxy, but for what ``DirectDials`` allows, and no name server is told what the proxy is to hide.
    public var isProxied: Bool
    /// Besides, nothing leaves but through the proxy: nothing is sent to the local network either, and what can't go through does not run.
    public var isConfined: Bool
    /// The proxy as messages name it, such as the variable of the environment that asks for it.
    public var proxyName: String
    /// The fingerprint of the node's private network, which says nothing of its key; nil on the public network.
    public var privateNetwork: String?

    /// By default the public network, without a proxy.
    ///
    /// - Parameter isConfined: nil is what `isProxied` is.
    public init(
        isProxied: Bool = false, isConfined: Bool? = nil, proxyName: String = "the proxy", privateNetwork: String? = nil
    ) {
        self.isProxied = isProxied
        self.isConfined = isConfined ?? isProxied
        self.proxyName = proxyName
        self.privateNetwork = privateNetwork
    }
}
