/// From which ports a query is answered.
///
/// The answer goes back to the port that the query came from, whoever wrote that there: one that belongs to a service would have us send
/// to that service, which may answer in its turn. Whoever asks by plain DNS has a port that the system gave (RFC 6762, section 6.7).
enum MDNSAskers {
    /// Below, ports belong to services (RFC 6335, section 6).
    private static let firstOrdinaryPort: UInt16 = 1_024

    /// Services above that answer whatever they are sent, and so might answer us: MSSQL's browser, SSDP, NFS, STUN, BitTorrent's tracker,
    /// WS-Discovery, NAT-PMP and PCP, SIP, LLMNR, CoAP, memcached, and other responders' multicast ports.
    private static let servicePorts: Set<UInt16> = [
        1_194, 1_434, 1_604, 1_701, 1_718, 1_719, 1_812, 1_813, 1_900, 2_049, 2_302, 3_283, 3_389, 3_478, 3_702, 4_500, 5_060, 5_061, 5_093,
        5_350, 5_351, 5_355, 5_683, 5_684, 6_881, 10_001, 11_211, 17_185, 20_800, 27_015, 27_960, 37_810,
    ]

    static func mayAsk(from port: UInt16) -> Bool {
        port == MDNSMachine.port || port >= Self.firstOrdinaryPort && !Self.servicePorts.contains(port)
    }
}
