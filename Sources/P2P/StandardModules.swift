public import P2PCore
import P2PIdentify
import P2PPing
import P2PResolver

extension [any HostModule] {
    /// What a node of the public network has beyond its stack: identify, ping, and look-ups of `/dnsaddr`.
    public static var standard: [any HostModule] { [Identify(), PingProtocol(), DNSAddressResolver()] }

    /// These and more.
    public func adding(_ modules: any HostModule...) -> [any HostModule] { self + modules }
}
