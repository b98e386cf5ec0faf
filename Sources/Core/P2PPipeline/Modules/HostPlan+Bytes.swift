public import P2PCore

/// A way around: what every byte transport of a host dials through, such as a proxy.
public struct ByteDetour: Sendable {
    /// A transport that dials through it.
    public let through: @Sendable (any ByteTransport) -> any ByteTransport

    /// - Parameter through: makes a transport that dials through it of one that dials directly.
    public init(_ through: @escaping @Sendable (any ByteTransport) -> any ByteTransport) {
        self.through = through
    }
}

/// What carries bytes for transports that stand on others, such as WebSocket.
public struct ByteCarrier: Sendable {
    /// Dials and listens.
    public let transport: any ByteTransport

    /// - Parameter transport: dials and listens.
    public init(_ transport: any ByteTransport) { self.transport = transport }
}

extension HostPlan {
    /// Makes connections of bytes; nil until ``Upgrading`` has joined.
    package var upgrader: Upgrader? {
        get { self[Upgrader.self] }
        set { self[Upgrader.self] = newValue }
    }

    /// What every byte transport has to dial through; nil for the direct way.
    public var detour: ByteDetour? {
        get { self[ByteDetour.self] }
        set { self[ByteDetour.self] = newValue }
    }

    /// What carries the bytes of transports that stand on others; nil until a module has brought one.
    public var carrier: ByteCarrier? {
        get { self[ByteCarrier.self] }
        set { self[ByteCarrier.self] = newValue }
    }

    /// Adds a byte transport, whose connections the host's upgrader makes.
    ///
    /// - Throws: ``TransportError/Code/invalidConfiguration`` when there is no upgrader yet.
    public mutating func add(_ transport: any ByteTransport) throws(TransportError) {
        guard let upgrader = self.upgrader else {
            throw TransportError(
                .invalidConfiguration, "a byte transport needs secure channels and muxers: name Upgrading before it in the list of modules")
        }
        self.transports.append(UpgradingTransport(transport, upgrader: upgrader))
    }
}
