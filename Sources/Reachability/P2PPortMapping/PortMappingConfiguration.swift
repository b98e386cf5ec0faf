/// What port mapping may be told.
public struct PortMappingConfiguration: Sendable {
    /// The only ports to map, by number; nil for each that the node listens on.
    public var ports: Set<UInt16>?
    /// The default route of IPv4. By default what Linux has in its table of routes; on other systems there is no route, and so nothing is
    /// mapped, unless the application says one here.
    public var route: @Sendable () -> DefaultRoute?
    /// The default route of IPv6, whose router is asked to let packets in for this node's own addresses; by default as for IPv4.
    public var routeIPv6: @Sendable () -> DefaultRoute?
    /// How often the network and this node's ports are looked at.
    public var watchInterval: Duration

    /// The defaults map every port.
    public init(
        ports: Set<UInt16>? = nil, route: @escaping @Sendable () -> DefaultRoute? = DefaultRoute.current,
        routeIPv6: @escaping @Sendable () -> DefaultRoute? = DefaultRoute.currentIPv6, watchInterval: Duration = .seconds(2)
    ) {
        self.ports = ports
        self.route = route
        self.routeIPv6 = routeIPv6
        self.watchInterval = watchInterval
    }
}
