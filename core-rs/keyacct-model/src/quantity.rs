//! The one vocabulary of quantities. Phase, tariff and kind are columns of their own and never part of a name.
//!
//! A quantity has one unit; a format that sends another one (W, kV) is scaled to it when it is read. Texts and times
//! carry no unit, whatever their quantity. A new quantity is one line here, in the section of its protocol.

use crate::Unit;

macro_rules! quantities {
    ($($variant:ident $name:literal $unit:ident $en:literal $zh:literal;)+) => {
        /// What was measured, set or counted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u16)]
        pub enum Quantity { $(#[doc = $en] $variant),+ }

        impl Quantity {
            /// Every quantity, in the order of its number.
            pub const ALL: &'static [Quantity] = &[$(Quantity::$variant),+];
            const ROWS: &'static [(&'static str, Unit, &'static str, &'static str)] =
                &[$(($name, Unit::$unit, $en, $zh)),+];
        }
    };
}

quantities! {
    // --- Electrical values and energies: shared by every protocol ---
    Voltage "voltage" V "Voltage" "电压";
    Current "current" A "Current" "电流";
    ActivePower "active_power" Kw "Active power" "有功功率";
    ReactivePower "reactive_power" Kvar "Reactive power" "无功功率";
    ApparentPower "apparent_power" Kva "Apparent power" "视在功率";
    PowerFactor "power_factor" None "Power factor" "功率因数";
    Frequency "frequency" Hz "Frequency" "频率";
    PhaseAngle "phase_angle" Degree "Angle between voltage and current" "相角";
    VoltageAngle "voltage_angle" Degree "Angle of the voltage" "电压相角";
    CurrentAngle "current_angle" Degree "Angle of the current" "电流相角";
    VoltageDistortion "voltage_distortion" Percent "Voltage waveform distortion" "电压波形失真度";
    CurrentDistortion "current_distortion" Percent "Current waveform distortion" "电流波形失真度";
    VoltageHarmonic "voltage_harmonic" Percent "Voltage harmonic content" "电压谐波含量";
    CurrentHarmonic "current_harmonic" Percent "Current harmonic content" "电流谐波含量";
    ActivePowerAverage "active_power_average" Kw "One-minute average active power" "一分钟有功总平均功率";
    ActiveCombined "active_combined" Kwh "Combined active energy" "组合有功电能";
    ActiveImport "active_import" Kwh "Forward active energy" "正向有功电能";
    ActiveExport "active_export" Kwh "Reverse active energy" "反向有功电能";
    ReactiveCombined1 "reactive_combined_1" Kvarh "Combined reactive energy 1" "组合无功1电能";
    ReactiveCombined2 "reactive_combined_2" Kvarh "Combined reactive energy 2" "组合无功2电能";
    ReactiveImport "reactive_import" Kvarh "Forward reactive energy" "正向无功电能";
    ReactiveExport "reactive_export" Kvarh "Reverse reactive energy" "反向无功电能";
    ReactiveQ1 "reactive_q1" Kvarh "Reactive energy, quadrant 1" "第一象限无功电能";
    ReactiveQ2 "reactive_q2" Kvarh "Reactive energy, quadrant 2" "第二象限无功电能";
    ReactiveQ3 "reactive_q3" Kvarh "Reactive energy, quadrant 3" "第三象限无功电能";
    ReactiveQ4 "reactive_q4" Kvarh "Reactive energy, quadrant 4" "第四象限无功电能";
    ApparentImport "apparent_import" Kvah "Forward apparent energy" "正向视在电能";
    ApparentExport "apparent_export" Kvah "Reverse apparent energy" "反向视在电能";
    ActiveAssociated "active_associated" Kwh "Associated active energy" "关联总电能";
    FundamentalImport "fundamental_import" Kwh "Forward active energy of the fundamental" "正向有功基波电能";
    FundamentalExport "fundamental_export" Kwh "Reverse active energy of the fundamental" "反向有功基波电能";
    HarmonicImport "harmonic_import" Kwh "Forward active energy of harmonics" "正向有功谐波电能";
    HarmonicExport "harmonic_export" Kwh "Reverse active energy of harmonics" "反向有功谐波电能";
    CopperLoss "copper_loss" Kwh "Copper loss energy" "铜损有功电能";
    IronLoss "iron_loss" Kwh "Iron loss energy" "铁损有功电能";
    ActiveImportDemand "active_import_demand" Kw "Maximum demand, forward active" "正向有功最大需量";
    ActiveExportDemand "active_export_demand" Kw "Maximum demand, reverse active" "反向有功最大需量";
    ReactiveCombined1Demand "reactive_combined_1_demand" Kvar "Maximum demand, combined reactive 1" "组合无功1最大需量";
    ReactiveCombined2Demand "reactive_combined_2_demand" Kvar "Maximum demand, combined reactive 2" "组合无功2最大需量";
    ReactiveImportDemand "reactive_import_demand" Kvar "Maximum demand, forward reactive" "正向无功最大需量";
    ReactiveExportDemand "reactive_export_demand" Kvar "Maximum demand, reverse reactive" "反向无功最大需量";
    ReactiveQ1Demand "reactive_q1_demand" Kvar "Maximum demand, quadrant 1" "第一象限无功最大需量";
    ReactiveQ2Demand "reactive_q2_demand" Kvar "Maximum demand, quadrant 2" "第二象限无功最大需量";
    ReactiveQ3Demand "reactive_q3_demand" Kvar "Maximum demand, quadrant 3" "第三象限无功最大需量";
    ReactiveQ4Demand "reactive_q4_demand" Kvar "Maximum demand, quadrant 4" "第四象限无功最大需量";
    ApparentImportDemand "apparent_import_demand" Kva "Maximum demand, forward apparent" "正向视在最大需量";
    ApparentExportDemand "apparent_export_demand" Kva "Maximum demand, reverse apparent" "反向视在最大需量";
    ActiveDemand "active_demand" Kw "Present active demand" "当前有功需量";
    ReactiveDemand "reactive_demand" Kvar "Present reactive demand" "当前无功需量";
    ApparentDemand "apparent_demand" Kva "Present apparent demand" "当前视在需量";
    InternalTemperature "internal_temperature" Celsius "Temperature inside the meter" "表内温度";
    ClockBatteryVoltage "clock_battery_voltage" V "Voltage of the clock battery" "时钟电池电压";
    ReadingBatteryVoltage "reading_battery_voltage" V "Voltage of the reading battery" "停电抄表电池电压";
    BatteryWorkingTime "battery_working_time" Minute "Working time of the battery" "内部电池工作时间";
    RemainingEnergy "remaining_energy" Kwh "Remaining energy" "剩余电量";
    OverdraftEnergy "overdraft_energy" Kwh "Overdraft energy" "透支电量";
    RemainingAmount "remaining_amount" Cny "Remaining money" "剩余金额";
    OverdraftAmount "overdraft_amount" Cny "Overdraft money" "透支金额";
    // --- Clock, identity and settings ---
    Clock "clock" None "Date and time" "日期时间";
    Date "date" None "Date" "日期";
    Time "time" None "Time of day" "时间";
    Weekday "weekday" None "Day of the week" "星期";
    MeterAddress "meter_address" None "Meter address" "通信地址";
    MeterNumber "meter_number" None "Meter number" "表号";
    UserNumber "user_number" None "User number" "用户号";
    AssetCode "asset_code" None "Asset code" "资产管理编码";
    RatedVoltage "rated_voltage" V "Rated voltage" "额定电压";
    RatedCurrent "rated_current" A "Rated current" "额定电流";
    MaximumCurrent "maximum_current" A "Maximum current" "最大电流";
    ActiveAccuracy "active_accuracy" None "Active accuracy class" "有功准确度等级";
    ReactiveAccuracy "reactive_accuracy" None "Reactive accuracy class" "无功准确度等级";
    ActiveConstant "active_constant" None "Active meter constant, pulses per kWh" "有功常数";
    ReactiveConstant "reactive_constant" None "Reactive meter constant, pulses per kvarh" "无功常数";
    MeterModel "meter_model" None "Meter model" "电表型号";
    ProductionDate "production_date" None "Date of production" "生产日期";
    ProtocolVersion "protocol_version" None "Protocol version" "协议版本号";
    SoftwareVersion "software_version" None "Software version" "软件版本号";
    HardwareVersion "hardware_version" None "Hardware version" "硬件版本号";
    MakerNumber "maker_number" None "Maker's number" "厂家编号";
    CtRatio "ct_ratio" None "Current transformer ratio" "电流互感器变比";
    PtRatio "pt_ratio" None "Voltage transformer ratio" "电压互感器变比";
    DemandPeriod "demand_period" Minute "Demand period" "最大需量周期";
    DemandSlip "demand_slip" Minute "Demand slip time" "滑差时间";
    PulseWidth "pulse_width" None "Pulse width, ms" "校表脉冲宽度";
    ZoneSwitchTime "zone_switch_time" None "Switch-over time of the zone tables" "两套时区表切换时间";
    SlotSwitchTime "slot_switch_time" None "Switch-over time of the slot tables" "两套日时段表切换时间";
    ZoneCount "zone_count" None "Number of zones" "年时区数";
    DayTableCount "day_table_count" None "Number of day tables" "日时段表数";
    SlotCount "slot_count" None "Number of slots of a day" "日时段数";
    TariffCount "tariff_count" None "Number of tariffs" "费率数";
    HolidayCount "holiday_count" None "Number of holidays" "公共假日数";
    HarmonicOrders "harmonic_orders" None "Number of harmonic orders" "谐波分析次数";
    DisplayScreens "display_screens" None "Screens shown in turn" "自动循环显示屏数";
    DisplaySeconds "display_seconds" Second "Seconds a screen is shown" "每屏显示时间";
    EnergyDecimals "energy_decimals" None "Decimals of energy" "显示电能小数位数";
    PowerDecimals "power_decimals" None "Decimals of power" "显示功率小数位数";
    KeyScreens "key_screens" None "Screens shown by key" "按键循环显示屏数";
    DisplayItem "display_item" None "Displayed item" "显示数据标识";
    ActiveCombination "active_combination" None "Combination word, active" "有功组合方式特征字";
    ReactiveCombination "reactive_combination" None "Combination word, reactive" "无功组合方式特征字";
    RateWord "rate_word" None "Baud rate word" "通信速率特征字";
    BaudRate "baud_rate" None "Baud rate" "通信速率";
    WeekendWord "weekend_word" None "Weekend word" "周休日特征字";
    WeekendTable "weekend_table" None "Day table of the weekend" "周休日时段表号";
    LoadRecordMode "load_record_mode" None "Load record mode word" "负荷记录模式字";
    FreezeMode "freeze_mode" None "Freeze mode word" "冻结数据模式字";
    LoadRecordStart "load_record_start" None "Start of the load record" "负荷记录起始时间";
    LoadRecordInterval "load_record_interval" Minute "Interval of the load record" "负荷记录间隔时间";
    SettlementDay "settlement_day" None "Settlement day" "结算日";
    ActivePowerLimit "active_power_limit" Kw "Limit of active power" "有功功率上限值";
    VoltageUpperLimit "voltage_upper_limit" V "Upper limit of the voltage" "电压上限值";
    VoltageLowerLimit "voltage_lower_limit" V "Lower limit of the voltage" "电压下限值";
    VoltageAssessmentUpper "voltage_assessment_upper" V "Upper limit of voltage assessment" "电压考核上限";
    VoltageAssessmentLower "voltage_assessment_lower" V "Lower limit of voltage assessment" "电压考核下限";
    LineCoefficient "line_coefficient" None "Line coefficient" "线损系数";
    SlotStart "slot_start" None "Start of the slot" "时段起始时间";
    SlotTariff "slot_tariff" None "Tariff of the slot" "时段费率号";
    ZoneStart "zone_start" None "Start of the zone" "时区起始日期";
    ZoneDayTable "zone_day_table" None "Day table of the zone" "时区日时段表号";
    HolidayDate "holiday_date" None "Public holiday" "公共假日";
    HolidayTable "holiday_table" None "Day table of the holiday" "公共假日时段表号";
    ThresholdVoltage "threshold_voltage" V "Threshold, voltage" "电压阈值";
    ThresholdCurrent "threshold_current" A "Threshold, current" "电流阈值";
    ThresholdPower "threshold_power" Kw "Threshold, active power" "功率阈值";
    ThresholdReactivePower "threshold_reactive_power" Kvar "Threshold, reactive power" "无功功率阈值";
    ThresholdRate "threshold_rate" Percent "Threshold, rate" "限值";
    ThresholdPowerFactor "threshold_power_factor" None "Threshold, power factor" "功率因数阈值";
    ThresholdDelay "threshold_delay" Second "Threshold, delay" "判定延时时间";
    ThresholdDelayMin "threshold_delay_min" Minute "Threshold, delay in minutes" "判定延时时间(分)";
    PasswordLevel "password_level" None "Password level" "密码级别";
    Password "password" None "Password" "密码";
    Operator "operator" None "Operator code" "操作者代码";
    Command "command" None "Command" "命令";
    CommandDeadline "command_deadline" None "Command is valid until" "命令有效截止时间";
    BroadcastTime "broadcast_time" None "Broadcast time" "广播校时";
    RecordCount "record_count" None "Number of records" "记录数";
    RecordStart "record_start" None "Records from this time on" "起始时间";
    RecordTime "record_time" None "Time of the record" "记录时间";
    ItemIdentifier "item_identifier" None "Data identifier" "数据标识";
    Error "error" None "Error" "错误信息字";
    Raw "raw" None "Bytes without known layout" "未知数据";
    // --- Status words: one value a bit ---
    StatusWord "status_word" None "Status word" "运行状态字";
    DemandMode "demand_mode" None "Demand mode, 0 sliding 1 interval" "需量积算方式";
    ClockBatteryLow "clock_battery_low" None "Clock battery low" "时钟电池欠压";
    ReadingBatteryLow "reading_battery_low" None "Reading battery low" "停电抄表电池欠压";
    ActiveReversed "active_reversed" None "Active power flows in reverse" "有功功率方向反向";
    ReactiveReversed "reactive_reversed" None "Reactive power flows in reverse" "无功功率方向反向";
    SlotTableInUse "slot_table_in_use" None "Slot table in use, 0 first 1 second" "当前运行时段";
    SupplyMode "supply_mode" None "Supply, 0 mains 1 auxiliary 2 battery" "供电方式";
    ProgrammingAllowed "programming_allowed" None "Programming allowed" "编程允许";
    RelayOpen "relay_open" None "Relay open" "继电器状态";
    ZoneTableInUse "zone_table_in_use" None "Zone table in use, 0 first 1 second" "当前运行时区";
    RelayCommandOpen "relay_command_open" None "Relay commanded to open" "继电器命令状态";
    PreTripAlarm "pre_trip_alarm" None "Alarm before trip" "预跳闸报警状态";
    PrepaidType "prepaid_type" None "Prepaid type, 0 none 1 energy 2 money" "电能表类型";
    VoltageLoss "voltage_loss" None "Voltage loss" "失压";
    UnderVoltage "under_voltage" None "Under-voltage" "欠压";
    OverVoltage "over_voltage" None "Over-voltage" "过压";
    CurrentLoss "current_loss" None "Current loss" "失流";
    OverCurrent "over_current" None "Over-current" "过流";
    Overload "overload" None "Overload" "过载";
    PowerReversal "power_reversal" None "Power reversal" "潮流反向";
    PhaseFailure "phase_failure" None "Phase failure" "断相";
    CurrentBreak "current_break" None "Current break" "断流";
    VoltageSequenceReversed "voltage_sequence_reversed" None "Voltage sequence reversed" "电压逆相序";
    CurrentSequenceReversed "current_sequence_reversed" None "Current sequence reversed" "电流逆相序";
    VoltageUnbalance "voltage_unbalance" None "Voltage unbalance" "电压不平衡";
    CurrentUnbalance "current_unbalance" None "Current unbalance" "电流不平衡";
    AuxiliarySupplyLost "auxiliary_supply_lost" None "Auxiliary supply lost" "辅助电源失电";
    PowerDown "power_down" None "Power down" "掉电";
    DemandOverLimit "demand_over_limit" None "Demand over limit" "需量超限";
    PowerFactorLow "power_factor_low" None "Total power factor below limit" "总功率因数超下限";
    SevereCurrentUnbalance "severe_current_unbalance" None "Severe current unbalance" "电流严重不平衡";
    AllVoltageLost "all_voltage_lost" None "All voltages lost" "全失压";
    // --- Events and statistics ---
    EventCount "event_count" None "Number of events" "事件次数";
    EventTime "event_time" Minute "Time of events" "事件累计时间";
    EventAt "event_at" None "Time of the event" "发生时刻";
    EventStart "event_start" None "Start of the event" "事件发生时刻";
    EventEnd "event_end" None "End of the event" "事件结束时刻";
    AllVoltageLossCount "all_voltage_loss_count" None "All voltages lost, count" "全失压次数";
    AllVoltageLossTime "all_voltage_loss_time" Minute "All voltages lost, time" "全失压累计时间";
    AuxiliaryLossCount "auxiliary_loss_count" None "Auxiliary supply lost, count" "辅助电源失电次数";
    AuxiliaryLossTime "auxiliary_loss_time" Minute "Auxiliary supply lost, time" "辅助电源失电累计时间";
    VoltageLossCount "voltage_loss_count" None "Voltage loss, count" "失压次数";
    VoltageLossTime "voltage_loss_time" Minute "Voltage loss, time" "失压累计时间";
    UnderVoltageCount "under_voltage_count" None "Under-voltage, count" "欠压次数";
    UnderVoltageTime "under_voltage_time" Minute "Under-voltage, time" "欠压累计时间";
    OverVoltageCount "over_voltage_count" None "Over-voltage, count" "过压次数";
    OverVoltageTime "over_voltage_time" Minute "Over-voltage, time" "过压累计时间";
    PhaseFailureCount "phase_failure_count" None "Phase failure, count" "断相次数";
    PhaseFailureTime "phase_failure_time" Minute "Phase failure, time" "断相累计时间";
    VoltageSequenceCount "voltage_sequence_count" None "Voltage sequence reversed, count" "电压逆相序次数";
    VoltageSequenceTime "voltage_sequence_time" Minute "Voltage sequence reversed, time" "电压逆相序累计时间";
    CurrentSequenceCount "current_sequence_count" None "Current sequence reversed, count" "电流逆相序次数";
    CurrentSequenceTime "current_sequence_time" Minute "Current sequence reversed, time" "电流逆相序累计时间";
    VoltageUnbalanceCount "voltage_unbalance_count" None "Voltage unbalance, count" "电压不平衡次数";
    VoltageUnbalanceTime "voltage_unbalance_time" Minute "Voltage unbalance, time" "电压不平衡累计时间";
    CurrentUnbalanceCount "current_unbalance_count" None "Current unbalance, count" "电流不平衡次数";
    CurrentUnbalanceTime "current_unbalance_time" Minute "Current unbalance, time" "电流不平衡累计时间";
    SevereUnbalanceCount "severe_unbalance_count" None "Severe current unbalance, count" "电流严重不平衡次数";
    SevereUnbalanceTime "severe_unbalance_time" Minute "Severe current unbalance, time" "电流严重不平衡累计时间";
    CurrentLossCount "current_loss_count" None "Current loss, count" "失流次数";
    CurrentLossTime "current_loss_time" Minute "Current loss, time" "失流累计时间";
    OverCurrentCount "over_current_count" None "Over-current, count" "过流次数";
    OverCurrentTime "over_current_time" Minute "Over-current, time" "过流累计时间";
    CurrentBreakCount "current_break_count" None "Current break, count" "断流次数";
    CurrentBreakTime "current_break_time" Minute "Current break, time" "断流累计时间";
    PowerReversalCount "power_reversal_count" None "Power reversal, count" "潮流反向次数";
    PowerReversalTime "power_reversal_time" Minute "Power reversal, time" "潮流反向累计时间";
    OverloadCount "overload_count" None "Overload, count" "过载次数";
    OverloadTime "overload_time" Minute "Overload, time" "过载累计时间";
    PowerDownCount "power_down_count" None "Power down, count" "掉电次数";
    DemandOverCount "demand_over_count" None "Demand over limit, count" "需量超限次数";
    ProgrammingCount "programming_count" None "Programming, count" "编程次数";
    MeterClearCount "meter_clear_count" None "Meter cleared, count" "电表清零次数";
    DemandClearCount "demand_clear_count" None "Demand cleared, count" "需量清零次数";
    EventClearCount "event_clear_count" None "Events cleared, count" "事件清零次数";
    ClockSetCount "clock_set_count" None "Clock set, count" "校时次数";
    SlotProgrammingCount "slot_programming_count" None "Slot table programmed, count" "时段表编程次数";
    ZoneProgrammingCount "zone_programming_count" None "Zone table programmed, count" "时区表编程次数";
    WeekendProgrammingCount "weekend_programming_count" None "Weekend programmed, count" "周休日编程次数";
    HolidayProgrammingCount "holiday_programming_count" None "Holidays programmed, count" "节假日编程次数";
    CombinationProgrammingCount "combination_programming_count" None "Combination word programmed, count" "组合方式编程次数";
    SettlementProgrammingCount "settlement_programming_count" None "Settlement day programmed, count" "结算日编程次数";
    CoverOpenCount "cover_open_count" None "Cover opened, count" "开表盖次数";
    TerminalCoverOpenCount "terminal_cover_open_count" None "Terminal cover opened, count" "开端钮盒次数";
    TripCount "trip_count" None "Trip, count" "跳闸次数";
    CloseCount "close_count" None "Close, count" "合闸次数";
    ClockBefore "clock_before" None "Clock before" "校时前时间";
    ClockAfter "clock_after" None "Clock after" "校时后时间";
    UnbalanceRate "unbalance_rate" Percent "Greatest unbalance" "最大不平衡率";
    AmpereHours "ampere_hours" None "Ampere-hours" "安时数";
    VoltageMonitoredTime "voltage_monitored_time" Minute "Monitored time of the voltage" "电压监测时间";
    VoltageComplianceRate "voltage_compliance_rate" Percent "Voltage compliance rate" "电压合格率";
    VoltageOverLimitRate "voltage_over_limit_rate" Percent "Voltage over-limit rate" "电压超限率";
    VoltageOverTime "voltage_over_time" Minute "Time over the upper limit" "电压超上限时间";
    VoltageUnderTime "voltage_under_time" Minute "Time under the lower limit" "电压超下限时间";
    VoltageMaximum "voltage_maximum" V "Highest voltage" "最高电压";
    VoltageMinimum "voltage_minimum" V "Lowest voltage" "最低电压";
    FreezeTime "freeze_time" None "Time of the freeze" "冻结时间";
    FreezeCommand "freeze_command" None "Freeze command" "冻结命令";
    // --- DL/T 645-1997 ---
    ActiveImportDemandTime "active_import_demand_time" None "Time of maximum demand, forward active" "正向有功最大需量发生时间";
    ActiveExportDemandTime "active_export_demand_time" None "Time of maximum demand, reverse active" "反向有功最大需量发生时间";
    ReactiveImportDemandTime "reactive_import_demand_time" None "Time of maximum demand, forward reactive" "正向无功最大需量发生时间";
    ReactiveExportDemandTime "reactive_export_demand_time" None "Time of maximum demand, reverse reactive" "反向无功最大需量发生时间";
    ReactiveQ1DemandTime "reactive_q1_demand_time" None "Time of maximum demand, quadrant 1" "第一象限无功最大需量发生时间";
    ReactiveQ2DemandTime "reactive_q2_demand_time" None "Time of maximum demand, quadrant 2" "第二象限无功最大需量发生时间";
    ReactiveQ3DemandTime "reactive_q3_demand_time" None "Time of maximum demand, quadrant 3" "第三象限无功最大需量发生时间";
    ReactiveQ4DemandTime "reactive_q4_demand_time" None "Time of maximum demand, quadrant 4" "第四象限无功最大需量发生时间";
    ProgrammingTime "programming_time" None "Last programming" "最近一次编程时间";
    DemandClearTime "demand_clear_time" None "Last demand clear" "最近一次最大需量清零时间";
    GridStatus "grid_status" None "Grid status word" "电网状态字";
    StopDisplaySeconds "stop_display_seconds" Second "Seconds a stopped screen is shown" "停显时间";

    // --- Q/GDW 1376.1 ---
    ConfirmedAfn "confirmed_afn" None "Function that is answered" "被确认的功能码";
    ConfirmedItem "confirmed_item" None "Item that is answered" "被确认的数据单元标识";
    ConfirmError "confirm_error" None "Error of the item, 0 none" "错误代码";
    RtsDelay "rts_delay" None "Delay after RTS, 20 ms" "RTS 延时, 20 ms";
    TransferDelay "transfer_delay" Minute "Allowed transfer delay" "允许发送传输延时";
    ResponseControl "response_control" None "Response timeout and resends" "等待响应超时和重发";
    ResponseTimeout "response_timeout" Second "Response timeout" "等待从动站响应超时";
    ResendCount "resend_count" None "Resends" "重发次数";
    ConfirmFlags "confirm_flags" None "Reports that need a confirm" "需主站确认的标志";
    ConfirmClass1 "confirm_class_1" None "Class 1 data need a confirm" "1类数据需确认";
    ConfirmClass2 "confirm_class_2" None "Class 2 data need a confirm" "2类数据需确认";
    ConfirmClass3 "confirm_class_3" None "Class 3 data need a confirm" "3类数据需确认";
    HeartbeatPeriod "heartbeat_period" Minute "Heartbeat period" "心跳周期";
    MainIp "main_ip" None "Address of the master" "主用 IP 地址";
    MainPort "main_port" None "Port of the master" "主用端口";
    BackupIp "backup_ip" None "Backup address" "备用 IP 地址";
    BackupPort "backup_port" None "Backup port" "备用端口";
    Apn "apn" None "Access point name" "APN";
    MasterPhone "master_phone" None "Telephone of the master" "主站电话号码";
    SmsCenter "sms_center" None "Short message centre" "短信中心号码";
    AuthScheme "auth_scheme" None "Authentication scheme" "消息认证方案号";
    AuthParameter "auth_parameter" None "Authentication parameter" "消息认证方案参数";
    GroupAddress "group_address" None "Group address" "终端组地址";
    TerminalIp "terminal_ip" None "Address of the terminal" "终端 IP 地址";
    SubnetMask "subnet_mask" None "Subnet mask" "子网掩码";
    GatewayIp "gateway_ip" None "Gateway" "网关地址";
    ProxyType "proxy_type" None "Proxy type" "代理类型";
    ProxyIp "proxy_ip" None "Proxy address" "代理服务器地址";
    ProxyPort "proxy_port" None "Proxy port" "代理服务器端口";
    ProxyMethod "proxy_method" None "Proxy login method" "代理服务器连接方式";
    NameLength "name_length" None "Length of the user name" "用户名长度";
    ProxyUser "proxy_user" None "Proxy user" "用户名";
    PasswordLength "password_length" None "Length of the password" "密码长度";
    ListenPort "listen_port" None "Listening port" "终端侦听端口";
    WorkMode "work_mode" None "Working mode of the channel" "终端上行通信工作方式";
    RedialInterval "redial_interval" Second "Redial interval" "重拨间隔";
    RedialCount "redial_count" None "Redials" "最大重拨次数";
    IdleTimeout "idle_timeout" Minute "Hang up after idle time" "无通信自动断线时间";
    OnlineHours "online_hours" None "Hours online, a bit each" "允许在线时段标志";
    EventValidMask "event_valid_mask" None "Events that are recorded" "事件记录有效标志";
    EventImportantMask "event_important_mask" None "Events that are important" "事件重要性等级标志";
    MeterCount "meter_count" None "Number of meters" "电能表数量";
    MeterIndex "meter_index" None "Index of the meter" "装置序号";
    PointNumber "point_number" None "Measuring point" "测量点号";
    PortSettings "port_settings" None "Speed and port" "通信速率及端口号";
    MeterPort "meter_port" None "Port" "端口号";
    BaudCode "baud_code" None "Speed code" "通信速率";
    MeterProtocol "meter_protocol" None "Protocol of the meter" "通信协议类型";
    TariffSettings "tariff_settings" None "Tariffs of the meter" "电能费率个数";
    DigitCounts "digit_counts" None "Digits of energy" "电能示值位数";
    IntegerDigits "integer_digits" None "Integer digits less 4" "整数位个数";
    DecimalDigits "decimal_digits" None "Decimal digits less 1" "小数位个数";
    CollectorAddress "collector_address" None "Collector address" "采集器通信地址";
    UserClass "user_class" None "User class" "用户大类号及小类号";
    PulseCount "pulse_count" None "Number of pulse inputs" "脉冲路数";
    PulsePort "pulse_port" None "Pulse input" "脉冲输入端口号";
    PulseProperty "pulse_property" None "Pulse property: 0 +P 1 +Q 2 -P 3 -Q" "脉冲属性";
    PulseConstant "pulse_constant" None "Pulses per unit of energy" "电表常数";
    StatusFitted "status_fitted" None "Status inputs fitted" "状态量接入标志";
    StatusProperty "status_property" None "Status input property" "状态量属性标志";
    GroupCount "group_count" None "Number of groups" "总加组数量";
    GroupNumber "group_number" None "Totals group" "总加组序号";
    MemberCount "member_count" None "Points of the group" "总加组测量点数量";
    GroupMember "group_member" None "Member of the group" "测量点及总加标志";
    MemberPoint "member_point" None "Measuring point less 1" "测量点号减 1";
    MemberReverse "member_reverse" None "Reverse direction" "反向";
    MemberSubtract "member_subtract" None "Subtract" "减运算";
    ApnUser "apn_user" None "User of the virtual private network" "虚拟专网用户名";
    SafetyPower "safety_power" Kw "Safety level of power" "终端保安定值";
    ControlPeriods "control_periods" None "Power control periods" "终端功控时段";
    FloatCoefficient "float_coefficient" Percent "Float coefficient" "浮动系数";
    TariffPrice "tariff_price" Cny "Price of the tariff" "费率";
    DunningHours "dunning_hours" None "Dunning hours, a bit each" "催费告警时段";
    RatedLoad "rated_load" Kva "Rated load" "额定负荷";
    Wiring "wiring" None "Wiring" "电源接线方式";
    WiringMode "wiring_mode" None "Wiring, 1 3P3W 2 3P4W 3 single" "接线方式";
    WiringPhase "wiring_phase" None "Phase of a single-phase meter" "单相表接线相";
    VoltageLossLimit "voltage_loss_limit" V "Phase-loss limit" "电压断相门限";
    VoltageUpperUpper "voltage_upper_upper" V "Upper-upper voltage limit" "电压上上限";
    VoltageLowerLower "voltage_lower_lower" V "Lower-lower voltage limit" "电压下下限";
    LimitDuration "limit_duration" Minute "Duration until the limit counts" "越限持续时间";
    LimitRecovery "limit_recovery" Percent "Recovery coefficient" "越限恢复系数";
    CurrentUpperUpper "current_upper_upper" A "Upper-upper current limit" "相电流上上限";
    CurrentUpper "current_upper" A "Upper current limit" "相电流上限";
    ZeroSequenceLimit "zero_sequence_limit" A "Zero-sequence current limit" "零序电流上限";
    ApparentUpperUpper "apparent_upper_upper" Kva "Upper-upper apparent power limit" "视在功率上上限";
    ApparentUpper "apparent_upper" Kva "Upper apparent power limit" "视在功率上限";
    VoltageUnbalanceLimit "voltage_unbalance_limit" Percent "Voltage unbalance limit" "三相电压不平衡限值";
    CurrentUnbalanceLimit "current_unbalance_limit" Percent "Current unbalance limit" "三相电流不平衡限值";
    ContinuousLossTime "continuous_loss_time" Minute "Continuous voltage loss" "连续失压时间限值";
    PowerFactorLimit "power_factor_limit" Percent "Limit of power factor segments" "功率因数分段限值";
    BlockCount "block_count" None "Number of blocks" "数据块个数";
    ReadingPort "reading_port" None "Port" "通信端口号";
    ReadingControl "reading_control" None "Control word of reading" "抄表运行控制字";
    NoAutoReading "no_auto_reading" None "No automatic reading" "不允许自动抄表";
    KeyMetersOnly "key_meters_only" None "Key meters only" "只抄重点表";
    BroadcastFreeze "broadcast_freeze" None "Broadcast freeze" "广播冻结";
    BroadcastClock "broadcast_clock" None "Broadcast clock" "定时对电能表广播校时";
    SearchMeters "search_meters" None "Search new meters" "搜寻新增电能表";
    ReadStatus "read_status" None "Read status words" "抄读电表状态字";
    ReadingDays "reading_days" None "Reading days, a bit each" "抄表日";
    ReadingTime "reading_time" None "Reading time" "抄表时间";
    ReadingInterval "reading_interval" Minute "Reading interval" "抄表间隔时间";
    ClockBroadcast "clock_broadcast" None "Time of the clock broadcast" "广播校时定时时间";
    PeriodCount "period_count" None "Number of periods" "允许抄表时段数";
    PeriodStart "period_start" None "Start of the period" "时段开始时间";
    PeriodEnd "period_end" None "End of the period" "时段结束时间";
    TrafficLimit "traffic_limit" None "Monthly traffic limit" "月通信流量门限";
    ControlSchemes "control_schemes" None "Schemes" "方案标志";
    SchemePeriods "scheme_periods" None "Periods of the scheme" "时段号";
    PeriodPowerLimit "period_power_limit" Kw "Power limit of the period" "时段功控定值";
    HolidayPowerLimit "holiday_power_limit" Kw "Power limit on holidays" "厂休控定值";
    HolidayStart "holiday_start" None "Start of the holiday limit" "限电起始时间";
    HolidayDuration "holiday_duration" None "Duration, half hours" "限电延续时间";
    HolidayWeekdays "holiday_weekdays" None "Weekdays of the limit" "每周限电日";
    SlideWindow "slide_window" Minute "Slide window of power" "功率控制的功率计算滑差时间";
    SuspensionStart "suspension_start" None "Suspension from" "报停起始时间";
    SuspensionEnd "suspension_end" None "Suspension to" "报停结束时间";
    SuspensionPowerLimit "suspension_power_limit" Kw "Power limit while suspended" "报停控功率定值";
    PowerRounds "power_rounds" None "Rounds of power control" "功控轮次标志";
    MonthEnergyLimit "month_energy_limit" Kwh "Monthly energy limit" "月电量控定值";
    AlarmThreshold "alarm_threshold" Percent "Alarm threshold" "报警门限值系数";
    PurchaseOrder "purchase_order" None "Order number" "购电单号";
    PurchaseMode "purchase_mode" None "Mode, 55 add AA replace" "追加/刷新标志";
    PurchaseEnergy "purchase_energy" Kwh "Purchased energy" "购电量值";
    PurchaseAlarm "purchase_alarm" Kwh "Alarm threshold of energy" "报警门限值";
    PurchaseTrip "purchase_trip" Kwh "Trip threshold of energy" "跳闸门限值";
    EnergyRounds "energy_rounds" None "Rounds of energy control" "电控轮次标志";
    AlarmMinutes "alarm_minutes" Minute "Alarm time before the trip" "功控告警时间";
    SoundHours "sound_hours" None "Hours with sound, a bit each" "声音告警允许时段";
    HoursWithoutMaster "hours_without_master" None "Hours without master until keep-supply" "与主站连续无通信时间, h";
    OverCountThreshold "over_count_threshold" None "Energy deviation threshold" "电能量超差阈值";
    RunAwayThreshold "run_away_threshold" None "Run-away threshold" "电能表飞走阈值";
    StoppedThreshold "stopped_threshold" None "Stopped threshold, 15 min" "电能表停走阈值";
    ClockThreshold "clock_threshold" Minute "Clock deviation threshold" "电能表校时阈值";
    ReportPeriod "report_period" None "Report period" "定时上报周期";
    ReportEvery "report_every" None "Period, number" "周期值";
    ReportUnit "report_unit" None "Period, 0 minute 1 hour 2 day 3 month" "周期单位";
    BaseTime "base_time" None "Base time of the reports" "上报基准时间";
    CurveRatio "curve_ratio" None "Points taken, one of n" "曲线数据抽取倍率";
    ItemCount "item_count" None "Number of items" "数据单元标识个数";
    TaskItem "task_item" None "Item of the task" "数据单元标识";
    TaskSwitch "task_switch" None "Switch, 55 start AA stop" "启动/停止标志";
    TripTimes "trip_times" None "Delay and duration" "告警延时和限电时间";
    TripDuration "trip_duration" None "Restriction, half hours" "限电时间";
    TripDelay "trip_delay" Minute "Alarm before the trip" "告警延时时间";
    ControlPeriodsOn "control_periods_on" None "Periods under control" "时段功控投入标志";
    ControlScheme "control_scheme" None "Scheme number" "时段功控定值方案号";
    FreezeDelay "freeze_delay" Minute "Delay until power is frozen" "控后总加有功功率冻结延时";
    FloatDuration "float_duration" None "Duration, half hours" "控制时间";
    KeepSupplyDuration "keep_supply_duration" None "Keep supply, half hours" "允许与保电时间";
    TextKind "text_kind" None "Kind and number of the text" "信息种类及编号";
    TextNumber "text_number" None "Number of the text" "信息编号";
    TextImportance "text_importance" None "Kind, 0 normal 1 important" "信息种类";
    TextLength "text_length" None "Length of the text" "信息长度";
    ChineseText "chinese_text" None "Text" "汉字信息";
    Capacitors "capacitors" None "Capacitors" "电容器控制标志";
    VendorCode "vendor_code" None "Maker's code" "厂商代号";
    DeviceNumber "device_number" None "Device number" "设备编号";
    SoftwareDate "software_date" None "Date of the software" "终端软件发布日期";
    CapacityCode "capacity_code" None "Capacity code" "终端配置容量信息码";
    HardwareDate "hardware_date" None "Date of the hardware" "终端硬件发布日期";
    EventPointerStart "event_pointer_start" None "First event pointer Pm" "事件记录起始指针";
    EventPointerEnd "event_pointer_end" None "Last event pointer Pn" "事件记录结束指针";
    FileId "file_id" None "File" "文件标识";
    FileAttribute "file_attribute" None "File attribute" "文件属性";
    FileCommand "file_command" None "File command, 0 transfer" "文件指令";
    SegmentCount "segment_count" None "Number of segments" "总段数";
    Segment "segment" None "Segment" "第 i 段标识";
    SegmentLength "segment_length" None "Length of the segment" "第 i 段数据长度";
    FileData "file_data" None "Data of the segment" "文件数据";
    RelayPort "relay_port" None "Port" "终端通信端口号";
    RelayControl "relay_control" None "Control byte of the port" "透明转发通信控制字";
    DataBits "data_bits" None "Data bits less 5" "数据位";
    ParityOdd "parity_odd" None "Parity, 0 even 1 odd" "校验方式";
    ParityOn "parity_on" None "Parity used" "有无校验";
    StopBits "stop_bits" None "Stop bits, 0 one 1 two" "停止位";
    FrameTimeout "frame_timeout" None "Frame timeout" "接收等待报文超时时间";
    TimeoutValue "timeout_value" None "Timeout, number" "超时时间值";
    TimeoutInSeconds "timeout_in_seconds" None "Timeout unit, 0 10 ms 1 s" "超时时间单位";
    ByteTimeout "byte_timeout" None "Byte timeout, 10 ms" "接收等待字节超时时间";
    RelayLength "relay_length" None "Length of the content" "透明转发内容字节数";
    RelayContent "relay_content" None "Content" "透明转发内容";
    RelayResult "relay_result" None "Result" "转发结果标志";
    ParameterMap "parameter_map" None "Parameters that are set" "终端参数状态";
    CommunicationState "communication_state" None "Communication state" "终端通信状态";
    TalkState "talk_state" None "Talk, 1 allowed 2 forbidden" "允许/禁止通话";
    ReportState "report_state" None "Report, 1 allowed 2 forbidden" "允许/禁止主动上报";
    ControlState "control_state" None "Control state" "控制设置状态";
    KeepSupply "keep_supply" None "Supply is kept" "保电";
    Excluded "excluded" None "Excluded" "剔除";
    Dunning "dunning" None "Dunning" "催费告警";
    ControlGroups "control_groups" None "Groups under control" "总加组有效标志";
    PowerControlState "power_control_state" None "Power control state" "功控标志";
    PeriodControl "period_control" None "Period control" "时段控";
    HolidayControl "holiday_control" None "Holiday control" "厂休控";
    SuspensionControl "suspension_control" None "Suspension control" "营业报停控";
    DownFloat "down_float" None "Down-float control" "当前功率下浮控";
    EnergyControlState "energy_control_state" None "Energy control state" "电控标志";
    MonthControl "month_control" None "Month energy control" "月电控";
    PurchaseControl "purchase_control" None "Purchase control" "购电控";
    RemoteTripState "remote_trip_state" None "Rounds tripped by remote control" "遥控跳闸输出状态";
    DunningState "dunning_state" None "Dunning state" "当前催费告警状态";
    PowerLimit "power_limit" Kw "Power limit in force" "当前功控定值";
    PowerTripState "power_trip_state" None "Rounds tripped by power control" "功控跳闸输出状态";
    MonthTripState "month_trip_state" None "Rounds tripped by month energy" "月电控跳闸输出状态";
    PurchaseTripState "purchase_trip_state" None "Rounds tripped by purchase" "购电控跳闸输出状态";
    PowerAlarmState "power_alarm_state" None "Power control alarm" "功控越限告警状态";
    EnergyAlarmState "energy_alarm_state" None "Energy control alarm" "电控越限告警状态";
    EventCounterImportant "event_counter_important" None "Counter of important events EC1" "重要事件计数器";
    EventCounterOrdinary "event_counter_ordinary" None "Counter of ordinary events EC2" "一般事件计数器";
    EventFlags "event_flags" None "Events since the last reset" "事件标志状态";
    StatusState "status_state" None "State of the inputs ST" "状态量 ST";
    StatusChange "status_change" None "Changes of the inputs CD" "状态量变位 CD";
    TrafficDay "traffic_day" None "Traffic of the day, bytes" "当日流量";
    TrafficMonth "traffic_month" None "Traffic of the month, bytes" "当月流量";
    ReadTime "read_time" None "Time of reading" "终端抄表时间";
    StatusChangeWord "status_change_word" None "Changes of the status word" "运行状态字变位标志";
    ActivePowerMaximum "active_power_maximum" Kw "Greatest active power" "最大有功功率";
    ZeroPowerTime "zero_power_time" Minute "Time of zero power" "有功功率为零时间";
    VoltageUpperUpperTime "voltage_upper_upper_time" Minute "Time over the upper-upper limit" "电压越上上限时间";
    VoltageLowerLowerTime "voltage_lower_lower_time" Minute "Time under the lower-lower limit" "电压越下下限时间";
    VoltageQualifiedTime "voltage_qualified_time" Minute "Time of qualified voltage" "电压合格时间";
    VoltageAverage "voltage_average" V "Mean voltage" "平均电压";
    VoltageUnderLimitRate "voltage_under_limit_rate" Percent "Voltage under-limit rate" "电压超下限率";
    VoltageOverUpperRate "voltage_over_upper_rate" Percent "Voltage rate over the upper limit" "电压超上限率";
    CurrentUnbalanceMaximum "current_unbalance_maximum" Percent "Greatest current unbalance" "电流不平衡最大值";
    VoltageUnbalanceMaximum "voltage_unbalance_maximum" Percent "Greatest voltage unbalance" "电压不平衡最大值";
    CurrentUpperUpperTime "current_upper_upper_time" Minute "Time over the upper-upper current limit" "电流越上上限时间";
    CurrentUpperTime "current_upper_time" Minute "Time over the upper current limit" "电流越上限时间";
    CurrentMaximum "current_maximum" A "Greatest current" "电流最大值";
    ApparentUpperUpperTime "apparent_upper_upper_time" Minute "Time over the upper-upper apparent power limit" "视在功率越上上限时间";
    ApparentUpperTime "apparent_upper_time" Minute "Time over the upper apparent power limit" "视在功率越上限时间";
    LoadRateMaximum "load_rate_maximum" Percent "Greatest load factor" "负载率最大值";
    LoadRateMinimum "load_rate_minimum" Percent "Least load factor" "负载率最小值";
    PowerFactorLowTime "power_factor_low_time" Minute "Power factor below limit 1" "功率因数区段1累计时间";
    PowerFactorMiddleTime "power_factor_middle_time" Minute "Power factor between the limits" "功率因数区段2累计时间";
    PowerFactorHighTime "power_factor_high_time" Minute "Power factor above limit 2" "功率因数区段3累计时间";
    SupplyTime "supply_time" Minute "Time with supply" "终端供电时间";
    ResetCount "reset_count" None "Resets" "终端复位次数";
    MonthTripCount "month_trip_count" None "Trips by month energy" "月电控跳闸次数";
    PurchaseTripCount "purchase_trip_count" None "Trips by purchase" "购电控跳闸次数";
    PowerTripCount "power_trip_count" None "Trips by power control" "功控跳闸次数";
    RemoteTripCount "remote_trip_count" None "Trips by remote control" "遥控跳闸次数";
    ActivePowerMinimum "active_power_minimum" Kw "Least active power" "最小有功功率";
    DataDate "data_date" None "Day of the data Td" "日冻结类数据时标";
    DataMonth "data_month" None "Month of the data Td" "月冻结类数据时标";
    CurveStart "curve_start" None "First point of the curve" "曲线起始时间";
    CurveDensity "curve_density" None "Density of the curve: 1 15 min, 2 30 min, 3 60 min, 254 5 min, 255 1 min" "曲线冻结密度";
    PointCount "point_count" None "Number of points" "曲线数据点数";
    OccurredAt "occurred_at" None "Time of occurrence" "发生时间";
    EventCode "event_code" None "Event code ERC" "事件代码 ERC";
    EventData "event_data" None "Data of the event without known layout" "事件数据";
    EventPoint "event_point" None "Point and start flag" "测量点号及起止标志";
    EventStarted "event_started" None "1 start 0 end" "发生/恢复";
    EventFlag "event_flag" None "Flags of the event" "事件标志";
    DataInitialised "data_initialised" None "Data initialised" "参数及数据区初始化";
    VersionChanged "version_changed" None "Version changed" "版本变更";
    VersionBefore "version_before" None "Version before" "变更前软件版本号";
    VersionAfter "version_after" None "Version after" "变更后软件版本号";
    ChangedBy "changed_by" None "Master station" "启动站地址";
    ChangedItem "changed_item" None "Changed item" "变更参数的数据单元标识";
    TripRounds "trip_rounds" None "Rounds" "跳闸轮次";
    PowerBefore "power_before" Kw "Power at the trip" "跳闸时功率";
    PowerAfter "power_after" Kw "Power 2 minutes later" "跳闸后 2 分钟的功率";
    TripKind "trip_kind" None "Kind of control" "控制类别";
    EnergyAtEvent "energy_at_event" Kwh "Energy at the event" "事件发生时电量";
    EnergyLimit "energy_limit" Kwh "Limit of energy" "电量定值";
    MeterChange "meter_change" None "What changed" "变更标志";
    TariffChanged "tariff_changed" None "Tariff periods changed" "费率时段变更";
    ProgramChanged "program_changed" None "Programming time changed" "编程时间变更";
    ReadingDayChanged "reading_day_changed" None "Reading day changed" "抄表日变更";
    ConstantChanged "constant_changed" None "Pulse constant changed" "脉冲常数变更";
    RatioChanged "ratio_changed" None "Ratio changed" "互感器倍率变更";
    DemandReset "demand_reset" None "Demand reset" "最大需量清零";
    EventPhase "event_phase" None "Phase concerned" "事件相";
    CurrentFault "current_fault" None "Current: 1 short 2 open 3 reversed" "1 短路 2 开路 3 反向";
    VoltageFault "voltage_fault" None "Voltage: 1 phase lost 2 voltage lost" "1 断相 2 失压";
    MeterFault "meter_fault" None "Faults of the meter" "电能表故障标志";
    CountFault "count_fault" None "Programming or demand reset count" "编程次数或需量清零次数变化";
    PhaseLossFault "phase_loss_fault" None "Phase-loss count" "断相次数变化";
    VoltageLossFault "voltage_loss_fault" None "Voltage-loss count" "失压次数变化";
    PowerOffFault "power_off_fault" None "Power-off count" "停电次数变化";
    BatteryFault "battery_fault" None "Battery low" "电池欠压";
    PowerOffAt "power_off_at" None "Power off" "停电时间";
    PowerOnAt "power_on_at" None "Power on" "上电时间";
    VoltageUnbalanceRate "voltage_unbalance_rate" Percent "Voltage unbalance" "电压不平衡度";
    CurrentUnbalanceRate "current_unbalance_rate" Percent "Current unbalance" "电流不平衡度";
    EnergyBefore "energy_before" Kwh "Energy before" "购电前剩余电量";
    EnergyAfter "energy_after" Kwh "Energy after" "购电后剩余电量";
    FaultCode "fault_code" None "Fault code" "终端故障编码";
    LimitKind "limit_kind" None "Limit: 1 or 2" "越限类别";
    ReadingBefore "reading_before" Kwh "Reading before" "事件前示值";
    ReadingAfter "reading_after" Kwh "Reading after" "事件后示值";
    EventThreshold "event_threshold" None "Threshold of the event" "阈值";
    LastReadAt "last_read_at" None "Last reading" "最近一次抄表成功时间";
    DeviceType "device_type" None "Type of the device" "设备类型";

    // --- DL/T 698.45 ---
    ObjectValue "object_value" None "Value of an object without catalogue row" "无定义对象的数据";
    ScalerUnit "scaler_unit" None "Scaler and unit" "换算及单位";
    AccessResult "access_result" None "Result of the access, 0 done" "访问结果";
    HeartbeatInterval "heartbeat_interval" Second "Heartbeat interval" "心跳周期";
    ConnectedSince "connected_since" None "Connected since" "应用连接建立时间";
    LoadFactor "load_factor" Percent "Load factor" "负载率";
    ServerAddress "server_address" None "Address of the server the row is of" "目标服务器地址";
    EventSerial "event_serial" None "Serial number of the event record" "事件记录序号";
    EventSource "event_source" None "Source of the event" "事件发生源";
    EventReported "event_reported" None "Report state of the event" "事件上报状态";
    FreezeSerial "freeze_serial" None "Serial number of the freeze record" "冻结记录序号";
    FollowReportState "follow_report_state" None "State word of following reports" "跟随上报状态字";
    StartTime "start_time" None "Start of reading" "采集启动时标";
    SuccessTime "success_time" None "Time of success" "采集成功时标";
    StoreTime "store_time" None "Time of storage" "采集存储时标";
    ActivePowerMean "active_power_mean" Kw "Slide-window mean of active power" "滑差时间内平均有功功率";
    ReactivePowerMean "reactive_power_mean" Kvar "Slide-window mean of reactive power" "滑差时间内平均无功功率";
    DayActiveEnergy "day_active_energy" Kwh "Active energy of the day" "日有功电量";
    DayReactiveEnergy "day_reactive_energy" Kvarh "Reactive energy of the day" "日无功电量";
    MonthActiveEnergy "month_active_energy" Kwh "Active energy of the month" "月有功电量";
    MonthReactiveEnergy "month_reactive_energy" Kvarh "Reactive energy of the month" "月无功电量";
    VoltageQualifiedUpper "voltage_qualified_upper" V "Upper limit of a qualified voltage" "电压合格上限";
    VoltageQualifiedLower "voltage_qualified_lower" V "Lower limit of a qualified voltage" "电压合格下限";
    ClockMode "clock_mode" None "Way of setting the clock" "校时模式";
    HarmonicOrder "harmonic_order" None "Highest harmonic order" "最高谐波次数";
    MeteringElements "metering_elements" None "Metering elements" "计量元件数";
    StepCount "step_count" None "Number of price steps" "阶梯数";
    MasterAddress "master_address" None "Address of the master station" "主站地址";
    MasterPort "master_port" None "Port of the master station" "主站端口";
    MakerExtension "maker_extension" None "Maker's extension" "厂家扩展信息";
    SupportedProtocols "supported_protocols" None "Supported protocols" "支持规约列表";
    TaskNumber "task_number" None "Task" "任务号";
    TaskState "task_state" None "State of the task" "任务执行状态";
    TaskStart "task_start" None "Start of the task" "任务开始时间";
    TaskEnd "task_end" None "End of the task" "任务结束时间";
    TaskMeters "task_meters" None "Meters to be read" "采集总数量";
    TaskSucceeded "task_succeeded" None "Meters read" "采集成功数量";
    TaskSent "task_sent" None "Frames sent" "发送报文条数";
    TaskReceived "task_received" None "Frames received" "接收报文条数";
    SchemeNumber "scheme_number" None "Scheme" "方案编号";
    StoreDepth "store_depth" None "Rows kept" "存储深度";
    ReadingType "reading_type" None "Type and parameter of reading" "采集方式";
    RecordColumns "record_columns" None "Recorded attributes" "记录列选择";
    MeterSet "meter_set" None "Set of meters" "电能表集合";
    StoreMark "store_mark" None "How the time of storage is chosen" "存储时标选择";
    ConfigurationNumber "configuration_number" None "Configuration number" "配置序号";
    EsamSerial "esam_serial" None "ESAM serial number" "ESAM序列号";
    EsamVersion "esam_version" None "ESAM version" "ESAM版本号";
    EsamKeyVersion "esam_key_version" None "Key version of the ESAM" "对称密钥版本";
    SessionLimit "session_limit" Minute "Limit of a session" "会话时效门限";
    SessionLeft "session_left" Minute "Time left of the session" "会话时效剩余时间";
    CertificateSerial "certificate_serial" None "Serial number of the certificate" "证书序列号";
    Certificate "certificate" None "Certificate" "证书";
    SecurityMode "security_mode" None "Security mode, 0 off 1 on" "安全模式选择";
    RelayObject "relay_object" None "Relay" "继电器";
    AlarmDelay "alarm_delay" Minute "Delay between alarm and trip" "告警延时";
    RestrictionTime "restriction_time" Minute "Duration of the restriction" "限电时间";
    AutomaticClose "automatic_close" None "Closes by itself, 0 no 1 yes" "自动合闸";
    CloseCommand "close_command" None "Close, 0 allow 1 direct" "合闸命令";
    RelayState "relay_state" None "State of the relays" "继电器输出状态";
    AlarmState "alarm_state" None "State of the alarm" "告警状态";
    CommandState "command_state" None "State of the command" "命令状态";
    KeepSupplyState "keep_supply_state" None "Keep supply, 0 off 1 on 2 automatic" "保电状态";
    KeepSupplySilence "keep_supply_silence" Minute "Longest silence of the master before keep-supply" "允许与主站最大无通信时长";
    KeepSupplyPowerOn "keep_supply_power_on" Minute "Keep-supply after power on" "上电自动保电时长";
    HourStart "hour_start" None "First hour" "起始时刻";
    HourEnd "hour_end" None "Last hour" "结束时刻";
    SafetyLoad "safety_load" Kw "Safety level of power control" "终端保安定值";
    ControlAlarmTime "control_alarm_time" Minute "Alarm time of power control by round" "功控告警时间";
    TotalsGroup "totals_group" None "Totals group" "总加组对象";
    PowerSetting "power_setting" Kw "Setting of power control" "功控定值";
    PeriodNumbers "period_numbers" None "Valid periods" "时段号";
    SettingScheme "setting_scheme" None "Scheme of settings" "定值方案号";
    FloatRate "float_rate" Percent "Floating coefficient" "浮动系数";
    EnergySetting "energy_setting" Kwh "Setting of energy control" "电控定值";
    AlarmRate "alarm_rate" Percent "Alarm threshold" "报警门限值系数";
    MessageNumber "message_number" None "Number of the message" "信息编号";
    MessageTime "message_time" None "Time of the message" "信息时间";
    MessageText "message_text" None "Message" "信息内容";
    MessageRead "message_read" None "Whether the message was read" "信息已读标志";

    // --- Modbus ---
    // (rows of this protocol's own quantities)

}

impl Quantity {
    /// The published name.
    pub const fn as_str(self) -> &'static str {
        Self::ROWS[self as usize].0
    }

    /// The unit of its numbers.
    pub const fn unit(self) -> Unit {
        Self::ROWS[self as usize].1
    }

    /// What people call it in English.
    pub const fn en(self) -> &'static str {
        Self::ROWS[self as usize].2
    }

    /// What people call it in Chinese.
    pub const fn zh(self) -> &'static str {
        Self::ROWS[self as usize].3
    }

    /// The quantity of this name.
    pub fn by_name(name: &str) -> Option<Quantity> {
        Self::ALL.iter().copied().find(|q| q.as_str() == name)
    }

    /// The name that a misspelt one comes nearest to, for error messages.
    pub fn nearest(name: &str) -> &'static str {
        Self::ROWS.iter().map(|row| row.0).min_by_key(|known| distance(name, known)).unwrap_or("")
    }
}

/// Edits between two short ASCII words (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let up = row[j + 1];
            row[j + 1] = (corner + usize::from(x != y)).min(up + 1).min(row[j] + 1);
            corner = up;
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_plain() {
        let mut seen = std::collections::HashSet::new();
        for q in Quantity::ALL {
            assert!(seen.insert(q.as_str()), "{} twice", q.as_str());
            assert!(q.as_str().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
            assert_eq!(Quantity::by_name(q.as_str()), Some(*q));
        }
    }

    #[test]
    fn a_misspelt_name_finds_its_neighbour() {
        assert_eq!(Quantity::nearest("volage"), "voltage");
    }
}
