public import P2PCore

extension ResourceLimits {
    /// What a node is for.
    public enum Preset: String, Sendable, Hashable, CaseIterable {
        /// A machine that is there for it.
        case server
        /// A machine on which somebody works.
        case desktop
        /// A machine on a battery.
        case phone
    }

    /// The limits of a node on a machine: what it is for says which part of the machine's memory and descriptors it may take, and how much
    /// at most.
    public init(_ preset: Preset, on machine: MachineResources = .current) {
        self.init()
        let mebibyte = 1_024 * 1_024
        switch preset {
        case .server:
            self.memory = min(max(machine.memory / 4, 64 * mebibyte), 512 * mebibyte)
        case .desktop:
            self.memory = min(max(machine.memory / 16, 32 * mebibyte), 128 * mebibyte)
            self.connections = 512
            self.connectionsAllowed = 64
            self.pendingInbound = 128
            self.pendingInboundPerAddress = 32
            self.pendingInboundAllowed = 32
            self.inboundStreamsPerPeer = 1_024
            self.dials = 128
        case .phone:
            self.memory = min(max(machine.memory / 32, 16 * mebibyte), 48 * mebibyte)
            self.connections = 128
            self.connectionsAllowed = 16
            self.connectionsPerAddress = 32
            self.pendingInbound = 32
            self.pendingInboundPerAddress = 8
            self.pendingInboundAllowed = 16
            self.inboundStreamsPerPeer = 512
            self.dials = 64
        }
        // Observers are not called in an initializer.
        self.followMemory()
        // Idle connections may take a quarter of the memory, and all that need a descriptor three quarters of these.
        self.connections = max(16, min(self.connections, self.memory / 4 / HeldMemory.perConnection))
        let descriptors = machine.descriptors / 4 * 3 - self.pendingInbound - self.pendingInboundAllowed - self.connectionsAllowed
        self.connections = max(16, min(self.connections, descriptors))
        // Every connection costs a phone some of its battery; a server keeps what it has room for.
        let (high, low) = preset == .server ? (16, 15) : (12, 8)
        (self.connectionsHigh, self.connectionsLow) = (self.connections * high / 16, self.connections * low / 16)
    }

    /// ``Preset/server`` on this machine.
    public static let server = ResourceLimits(.server)
    /// ``Preset/desktop`` on this machine.
    public static let desktop = ResourceLimits(.desktop)
    /// ``Preset/phone`` on this machine.
    public static let phone = ResourceLimits(.phone)
}
