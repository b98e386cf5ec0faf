// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "swift-p2p-fuzz",
    platforms: [.macOS(.v15)],
    dependencies: [.package(name: "swift-p2p", path: "..", traits: ["Full"])],
    targets: [
        .executableTarget(
            name: "Fuzz",
            dependencies: [.product(name: "P2PFuzzing", package: "swift-p2p")],
            swiftSettings: [
                .swiftLanguageMode(.v6),
                .enableUpcomingFeature("MemberImportVisibility"),
                .enableUpcomingFeature("ExistentialAny"),
            ])
    ]
)
